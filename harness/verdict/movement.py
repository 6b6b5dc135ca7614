"""What of a run moved: exact instructions of a mean training step by phase, layer, function and source line."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from harness.build import SourceLine
from harness.explanation.breakdown import line_name
from harness.explanation.stored_run import StoredRun
from harness.result import Document
from harness.trace import STEP_PHASES
from harness.verdict.alignment import Alignment

_CLONE = re.compile(r"\.(?:constprop|isra|part|cold|lto_priv|localalias)(?:\.\d+)*")
_NOISE = 1e-9

Key = TypeVar("Key", bound=Hashable)
Names = tuple[str, ...]


@dataclass(frozen=True)
class Moved:
    """Instructions of a mean step at one place, before and after; `names` say which, from the whole to the part."""

    names: Names
    before: float
    after: float

    @property
    def delta(self) -> float:
        """Return how many more there are."""
        return self.after - self.before


@dataclass(frozen=True)
class MovedLine:
    """One source line of one function.

    `place` is `kernels/dot.h:31` as it is now (as it was, when the line is gone) and `earlier` what it was called, if
    it was another number. `symbol` is the function of the ELF it lies in, `function` that in whose text it stands.
    `where` are its phases and layers, the most moved first. A line is `rewritten` when it is new or reads differently,
    and `gone` when the code has it no more.
    """

    place: str
    earlier: str
    function: str
    symbol: str
    text: str
    rewritten: bool
    gone: bool
    where: tuple[Moved, ...]

    @property
    def before(self) -> float:
        """Return the instructions before."""
        return sum(part.before for part in self.where)

    @property
    def after(self) -> float:
        """Return the instructions after."""
        return sum(part.after for part in self.where)

    @property
    def delta(self) -> float:
        """Return how many more there are."""
        return self.after - self.before


@dataclass(frozen=True)
class Movement:
    """What moved in a run, each the most moved first.

    `phases` are named by phase, `layers` by phase and layer, `functions` by phase, layer and symbol. Functions and
    lines are empty when the traces are gone; without `texts_known` lines are held against those of the same number.
    """

    phases: tuple[Moved, ...]
    layers: tuple[Moved, ...]
    functions: tuple[Moved, ...] = ()
    lines: tuple[MovedLine, ...] = ()
    texts_known: bool = True


@dataclass(frozen=True)
class _Place:
    phase: str
    layer: str
    symbol: str
    function: str
    line: tuple[str, int] | None


def function_name(symbol: str) -> str:
    """Return the name in the source of a function that the compiler cloned: `f` for `f.constprop.0`."""
    return _CLONE.sub("", symbol)


def document_movement(before: Document, after: Document) -> Movement:
    """Return the phases and layers that moved, which the documents alone tell."""
    old, new = _by_layer(before), _by_layer(after)
    return Movement(
        _moved(_summed(old, lambda key: key[:1]), _summed(new, lambda key: key[:1])),
        _moved(_summed(old, lambda key: key), _summed(new, lambda key: key)),
    )


def run_movement(before: StoredRun, after: StoredRun) -> Movement:
    """Return everything that moved between two runs. Raises InputError when what they stored is gone."""
    old, new = _places(before), _places(after)
    found = document_movement(before.document, after.document)
    functions = [_summed(side, lambda place: (place.phase, place.layer, place.symbol)) for side in (old, new)]
    known = before.sources is not None and after.sources is not None
    return Movement(found.phases, found.layers, _moved(*functions), _Lines(before, after).moved(old, new), known)


def _by_layer(document: Document) -> dict[tuple[str, str], float]:
    assert document.counts is not None
    names = {part.layer: part.layer_name for part in document.counts.by_layer if part.layer_name}
    return {
        (part.phase, names.get(part.layer, "no layer")): part.instructions_per_step for part in document.counts.by_layer
    }


def _places(run: StoredRun) -> dict[_Place, float]:
    """Return the instructions of a mean step at each place."""
    counts: defaultdict[_Place, float] = defaultdict(float)
    origins = run.origins
    for column, context in enumerate(run.trace.contexts):
        if context.phase not in STEP_PHASES:
            continue
        executions = run.trace.executions[:, column]
        layer = run.layer_name(context.layer)
        for row in np.flatnonzero(executions).tolist():
            origin = origins[row]
            line = (origin.line.file, origin.line.number) if origin.line else None
            symbol, function = function_name(origin.function), function_name(origin.innermost)
            counts[_Place(context.phase, layer, symbol, function, line)] += int(executions[row]) / run.steps
    return dict(counts)


def _summed(counts: Mapping[Key, float], group: Callable[[Key], Names]) -> dict[Names, float]:
    sums: defaultdict[Names, float] = defaultdict(float)
    for key, count in counts.items():
        sums[group(key)] += count
    return dict(sums)


def _moved(before: Mapping[Names, float], after: Mapping[Names, float]) -> tuple[Moved, ...]:
    """Return what is not the same, the most moved first."""
    parts = [Moved(names, before.get(names, 0.0), after.get(names, 0.0)) for names in {**before, **after}]
    real = [part for part in parts if abs(part.delta) > _NOISE * max(part.before, part.after)]
    return tuple(sorted(real, key=lambda part: (-abs(part.delta), part.names)))


_LineKey = tuple[str, str, int]
"""Function, file and line; a line that was there before has its earlier number, one that is new a negative one."""


class _Lines:
    """The source lines of two runs, those of the newer one called what they were called in the older one."""

    def __init__(self, before: StoredRun, after: StoredRun) -> None:
        self._before, self._after = before, after
        self._alignments: dict[str, Alignment | None] = {}

    def moved(self, before: Mapping[_Place, float], after: Mapping[_Place, float]) -> tuple[MovedLine, ...]:
        """Return the lines whose instructions are not the same, the most moved first."""
        numbers: dict[_LineKey, int] = {}
        symbols: defaultdict[_LineKey, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        counts: defaultdict[_LineKey, tuple[dict[Names, float], dict[Names, float]]] = defaultdict(lambda: ({}, {}))
        for side, places in enumerate((before, after)):
            for place, count in places.items():
                file, number = place.line or ("", 0)
                key = (place.function, file, number)
                if side and place.line:
                    key = (place.function, file, self._earlier(file, number))
                    numbers[key] = number
                names = (place.phase, place.layer)
                counts[key][side][names] = counts[key][side].get(names, 0.0) + count
                symbols[key][place.symbol] += count if side else -count
        lines = []
        for key, (old, new) in counts.items():
            if where := _moved(old, new):
                symbol = max(symbols[key], key=lambda name: abs(symbols[key][name]))
                lines.append(self._line(key, numbers.get(key), symbol, where))
        return tuple(sorted(lines, key=lambda line: (-abs(line.delta), line.place, line.function)))

    def _line(self, key: _LineKey, now: int | None, symbol: str, where: tuple[Moved, ...]) -> MovedLine:
        function, file, earlier = key
        was = SourceLine(file, earlier) if file and earlier > 0 else None
        line = SourceLine(file, now) if now is not None else None
        rewritten = bool(line) and self._is_rewritten(file, now or 0)
        shown, run = (line, self._after) if line else (was, self._before)
        return MovedLine(
            place=line_name(shown, symbol),
            earlier=line_name(was, symbol) if was and line and was != line else "",
            function=function,
            symbol=symbol,
            text=run.text(shown) if shown else "",
            rewritten=rewritten,
            gone=bool(was) and line is None,
            where=where,
        )

    def _alignment(self, file: str) -> Alignment | None:
        """Return how the lines of a file correspond; None when a text is not known, or both are the same."""
        if file not in self._alignments:
            old, new = self._before.source_text(file), self._after.source_text(file)
            self._alignments[file] = Alignment(old, new) if old and new and old != new else None
        return self._alignments[file]

    def _earlier(self, file: str, number: int) -> int:
        alignment = self._alignment(file)
        if alignment is None:
            return number
        return alignment.earlier(number) or -number

    def _is_rewritten(self, file: str, number: int) -> bool:
        alignment = self._alignment(file)
        return alignment is not None and alignment.is_rewritten(number)
