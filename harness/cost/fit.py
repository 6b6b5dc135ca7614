"""Free parameters of a board's memory system, fitted to cycles that a real board measured."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from harness.build.elf import Image
from harness.cost.core import core_model
from harness.cost.cycles import price
from harness.cost.memory_system import path_misses, taken_in
from harness.errors import InputError, nearest
from harness.platform import Platform, platform_names
from harness.platform.calibration import Calibration, Fitted, Residual
from harness.trace.instruction import Listing
from harness.trace.trace import PHASES, Context, Trace

HEADER = "record,board,plan,phase,layer,entries,cycles"
_FIELDS = HEADER.split(",")
_RECORD = "cycles"
_PER_ENTRY = "marker"
"""What the call of the marker itself costs: measured along with every entry, fitted and left out."""
_MEASURING = ("marker", "systick_handler")
_SMALLEST_SHARE = 1e-3
"""A parameter whose part of every row is less than this cannot be told from noise."""
_DEPENDENT = 1e-6

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """One row that the firmware of a board wrote: core cycles of all entries of one phase and layer."""

    line: int
    board: str
    plan: str
    context: Context
    entries: int
    cycles: int

    @property
    def name(self) -> str:
        """Return `phase` or `phase of layer n`."""
        return self.context.phase if self.context.layer < 0 else f"{self.context.phase} of layer {self.context.layer}"


def read_measurements(path: Path) -> list[Measurement]:
    """Return the rows of a CSV file, or of all that a board wrote: JSON records and comments (#) are passed over.

    Raises InputError with a line for every row that is wrong, or when there is none.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a file with what the board wrote") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: no text; expected rows such as {_RECORD},nrf52840,...") from None
    rows: list[Measurement] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#{" or stripped == HEADER:
            continue
        try:
            rows.append(_row(number, stripped))
        except ValueError as problem:
            problems.append(f"{path}:{number}: {problem}")
    if not rows and not problems:
        problems = [f"{path}: no row; expected lines of the form {HEADER}"]
    boards = sorted({row.board for row in rows})
    if len(boards) > 1:
        problems.append(f"{path}: rows of {' and '.join(boards)}; expected one board a file")
    if problems:
        raise InputError(*problems)
    return rows


def _row(number: int, line: str) -> Measurement:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{len(fields)} fields, expected {len(_FIELDS)}: {HEADER}")
    record, board, plan, phase, layer, entries, cycles = fields
    if record != _RECORD:
        raise ValueError(f"record: '{record}', expected '{_RECORD}'")
    if board not in platform_names():
        raise ValueError(f"board: unknown board '{board}': {nearest(board, platform_names())}")
    if not plan.isalnum():
        raise ValueError(f"plan: '{plan}', expected letters and digits")
    if phase not in PHASES:
        raise ValueError(f"phase: '{phase}', expected one of {', '.join(PHASES)}")
    numbers = {"layer": layer, "entries": entries, "cycles": cycles}
    values = {key: _whole(key, text) for key, text in numbers.items()}
    for key in ("entries", "cycles"):
        if values[key] <= 0:
            raise ValueError(f"{key}: {values[key]}, expected a number above 0")
    return Measurement(number, board, plan, Context(phase, values["layer"]), values["entries"], values["cycles"])


def _whole(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{key}: '{text}', expected a whole number") from None


@dataclass(frozen=True)
class Emulated:
    """What the emulation of the same firmware says about the measured rows."""

    trace: Trace
    image: Image


@dataclass(frozen=True)
class Row:
    """A measured row beside what the model says: cycles after the fit, and with the values of the board's file."""

    measurement: Measurement
    fitted_cycles: float
    unfitted_cycles: float

    @property
    def error(self) -> float:
        """Return the relative error of the fit: (model - measured) / measured."""
        return self.fitted_cycles / self.measurement.cycles - 1

    @property
    def error_before(self) -> float:
        """Return the relative error with the values of the board's file."""
        return self.unfitted_cycles / self.measurement.cycles - 1


@dataclass(frozen=True)
class Fit:
    """A calibration, the rows it stands on, and the parameters that these rows say nothing about."""

    calibration: Calibration
    rows: tuple[Row, ...]
    unfitted: tuple[str, ...]
    entry_cycles: float


def fit(
    measurements: Sequence[Measurement],
    emulated: dict[str, Emulated],
    platform: Platform,
    measured: str,
    date: datetime.date,
) -> Fit:
    """Fit the parameters of `platform` so that the model comes closest to `measurements`.

    `emulated` holds the trace and image of each plan, with simulated caches. The core's table stays as it is: what it
    says is subtracted, and the rest explained by misses, taken branches and entries, none of them with negative cycles,
    in the sense of least squares of relative errors. Raises InputError when a row is not of the emulated firmware or
    when there are fewer rows than parameters.
    """
    names, core, matrix = _system(measurements, emulated, platform)
    target = np.array([row.cycles for row in measurements], dtype=np.float64)
    told = _told_apart(matrix / target[:, None], _priors(names, platform))
    kept = [names[column] for column in told]
    if len(measurements) < len(told) + 1:
        raise InputError(f"{len(measurements)} rows for {len(told)} parameters; expected more rows")
    weighted, rest = matrix[:, told] / target[:, None], (target - core) / target
    solution = nnls(weighted, rest)[0]
    errors = _standard_errors(weighted, rest, solution)
    before = core + matrix @ _priors(names, platform)
    after = core + matrix[:, told] @ solution
    rows = tuple(
        Row(one, float(fitted), float(unfitted))
        for one, fitted, unfitted in zip(measurements, after, before, strict=True)
    )
    worst = max(rows, key=lambda row: abs(row.error))
    own = {name: (value, error) for name, value, error in zip(kept, solution, errors, strict=True)}
    entry = own.pop(_PER_ENTRY, (0.0, 0.0))[0]
    calibration = Calibration(
        board=platform.name,
        date=date,
        measured=measured,
        rows=len(rows),
        core_model=core_model(platform.core).model,
        memory_model=platform.memory_system.model,
        parameters={
            name: Fitted(value=round(float(value), 4), standard_error=round(float(error), 4))
            for name, (value, error) in own.items()
        },
        residual=Residual(
            mean_percent=_percent(row.error for row in rows),
            worst_percent=_percent([worst.error]),
            worst_row=f"{measured}:{worst.measurement.line}: {worst.measurement.name}",
            before_percent=_percent(row.error_before for row in rows),
            held_out_percent=_held_out(weighted, rest),
        ),
    )
    left = tuple(name for column, name in enumerate(names) if column not in told and name != _PER_ENTRY)
    return Fit(calibration, rows, left, float(entry))


def _percent(errors: object) -> float:
    return round(100 * float(np.mean(np.abs(list(errors)))), 3)  # type: ignore[call-overload]


def _system(
    measurements: Sequence[Measurement], emulated: dict[str, Emulated], platform: Platform
) -> tuple[list[str], Floats, Floats]:
    """Return the names of the columns, the core cycles of every row, and the matrix of what the parameters multiply."""
    names: list[str] = [_PER_ENTRY]
    for path in platform.memory_system.paths:
        names.append(f"{path.name}.wait_cycles")
        if path.access == "fetch":
            names.append(f"{path.name}.taken_branch_cycles")
    columns = {plan: _columns(one, platform) for plan, one in emulated.items()}
    core, matrix = np.zeros(len(measurements)), np.zeros((len(measurements), len(names)))
    problems = []
    for row, one in enumerate(measurements):
        contexts, cycles, features, entries = columns[one.plan]
        if one.context not in contexts:
            problems.append(f"line {one.line}: {one.name} does not occur in the emulation of plan {one.plan}")
            continue
        at = contexts.index(one.context)
        if int(entries[at]) != one.entries:
            problems.append(
                f"line {one.line}: {one.name} was entered {one.entries} times on the board, {int(entries[at])} times "
                "in emulation; expected rows of this very firmware"
            )
        core[row] = cycles[at]
        matrix[row] = features[at]
    if problems:
        raise InputError(*problems)
    return names, core, matrix


def _columns(one: Emulated, platform: Platform) -> tuple[tuple[Context, ...], Floats, Floats, Floats]:
    trace, listing = one.trace, Listing(one.image)
    functions = [one.image.function_at(int(address)) for address in trace.addresses]
    counted = np.array([name not in _MEASURING for name in functions])[:, None]
    marker = one.image.symbols["marker"].address
    entries = trace.executions[trace.addresses == marker].sum(axis=0).astype(np.float64)
    cycles = (price(trace, one.image, platform).by_address * counted).sum(axis=0)
    features = [entries]
    for path in platform.memory_system.paths:
        features.append((path_misses(trace, listing, platform, path).value * counted).sum(axis=0))
        if path.access == "fetch":
            features.append((taken_in(trace, platform, path) * counted).sum(axis=0))
    return trace.contexts, cycles, np.stack(features, axis=1), entries


def _priors(names: Sequence[str], platform: Platform) -> Floats:
    """Return what the board's file says of each parameter; nothing of the marker."""
    known = {_PER_ENTRY: 0.0}
    for path in platform.memory_system.paths:
        known[f"{path.name}.wait_cycles"] = path.wait_cycles.value
        known[f"{path.name}.taken_branch_cycles"] = path.taken_branch_cycles.value
    return np.array([known[name] for name in names])


def _told_apart(weighted: Floats, priors: Floats) -> list[int]:
    """Return the columns that matter in some row and that the columns before them do not explain."""
    told: list[int] = []
    for column in range(weighted.shape[1]):
        values = weighted[:, column]
        if not values.any() or np.max(values) * max(1.0, priors[column]) < _SMALLEST_SHARE:
            continue
        if told:
            basis = weighted[:, told]
            rest = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
            if np.linalg.norm(rest) < _DEPENDENT * np.linalg.norm(values):
                continue
        told.append(column)
    return told


def _standard_errors(weighted: Floats, rest: Floats, solution: Floats) -> Floats:
    residual = rest - weighted @ solution
    freedom = max(1, len(rest) - len(solution))
    variance = float(residual @ residual) / freedom
    covariance = variance * np.linalg.pinv(weighted.T @ weighted)
    errors: Floats = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    return errors


def _held_out(weighted: Floats, rest: Floats) -> float:
    """Return the mean absolute relative error of each row under the fit of all the others, in percent."""
    errors = []
    for row in range(len(rest)):
        others = np.arange(len(rest)) != row
        solution = nnls(weighted[others], rest[others])[0]
        errors.append(float(weighted[row] @ solution - rest[row]))
    return _percent(errors)
