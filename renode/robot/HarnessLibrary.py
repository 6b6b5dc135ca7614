"""Robot Framework keywords of the harness: run a scenario, hold its results to what they should be, keep evidence.

The keywords work under `robot`, on the default engine, and under `renode-test`, on Renode. A scenario that several
suites of one execution ask for runs once.
"""

from __future__ import annotations

import contextlib
import copy
import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from robot.api import Failure, SkipExecution, logger
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn

try:
    import harness
except ImportError as problem:
    raise ImportError(
        f"{sys.executable} cannot import harness ({problem}); activate the environment it is installed in, for "
        "renode-test too, which takes python3 from PATH"
    ) from problem

from cycle_baseline import Baseline, NoBaselineError, compiler_of, measured

from harness.assets import content_hash, write_atomically
from harness.cache import user_cache
from harness.engine.renode.failure import KEPT
from harness.errors import EXIT_BAD_INPUT, EXIT_FAILURE, HarnessError, nearest
from harness.quantity import parse_ratio
from harness.result import Document, read_results
from harness.scenario import read_scenarios
from harness.scenario.document import read_document

if TYPE_CHECKING:
    from harness.pipeline.loadable import Loadable

RUNS = "runs"
"""Folder beside Robot's log for results, and in it one for what failing tests leave behind."""
FAILED = "failed"

SCENARIO, LOG, UART = "scenario.yaml", "harness.log", "uart.txt"
_DEFAULT_ENGINE = "unicorn"
_END_GRACE_S = 20.0
_LOG_LINES_SHOWN = 12
_PLOT = "plots/accuracy-time-per-step.png"


@dataclass(frozen=True)
class Finished:
    """What one scenario came to: its folder, its documents, and the hash of its settings for the baseline."""

    folder: Path
    documents: tuple[Document, ...]
    settings: str


_finished: dict[str, Finished] = {}
"""Results of this process by what was run; renode-test makes a new library for every file."""


@library(scope="GLOBAL", version=harness.__version__, doc_format="ROBOT")
class HarnessLibrary:
    """Keywords for scenarios of the harness.

    `Run Scenario` comes first; `Take Run` chooses one of its runs; the other keywords judge that run. The engine is
    the variable ``${ENGINE}``; when it is empty, ``renode`` under renode-test and ``unicorn`` otherwise.
    """

    def __init__(self) -> None:
        self._data: dict[str, Any] | None = None
        self._last: Finished | None = None
        self._document: Document | None = None
        self._firmware: Loadable | None = None
        self._folder: Path | None = None  # what the running test is about: results, or a scenario that was refused

    # Running --------------------------------------------------------------------------------------------------------

    @keyword
    def run_scenario(self, file: str, **overrides: Any) -> str:
        """Run all runs of the scenario ``file`` and return the folder with the results.

        ``overrides`` put values over keys of the file: ``training.epochs=2``. A key that the matrix varies is not
        varied then. Fails when the file is refused; runs that fail only fail the tests that look at them.
        """
        self._finish(self._resolved(Path(file), overrides))
        assert self._last is not None
        changed = ", ".join(f"{name}={value}" for name, value in overrides.items())
        self._link_results(self._last, changed)
        return str(self._last.folder)

    @keyword
    def scenario_should_be_refused(self, file: str, message: str, **overrides: Any) -> None:
        """Fail unless the harness refuses the scenario ``file`` with ``overrides``, and says ``message``.

        ``message`` is a regular expression that is searched in what the harness says.
        """
        log, status = self._execute(self._resolved(Path(file), overrides), self._begin_folder())
        if status != EXIT_BAD_INPUT:
            raise Failure(f"expected the scenario to be refused with exit status {EXIT_BAD_INPUT}, not {status}")
        if not re.search(message, log):
            raise Failure(f"expected the refusal to say '{message}', not: {log.strip()}")
        logger.info(log)

    @keyword
    def engine(self) -> str:
        """Return the engine that scenarios run on."""
        return str(_variable("ENGINE") or ("renode" if _under_renode_test() else _DEFAULT_ENGINE))

    @keyword
    def skip_unless_under_renode_test(self) -> None:
        """Skip the test, or all tests of the suite, when Robot does not run under renode-test."""
        if not _under_renode_test():
            raise SkipExecution("needs Renode's own keywords: run it with renode-test")

    @keyword
    def take_run(self, platform: str, dtype: str) -> Document:
        """Choose the run on ``platform`` in ``dtype`` for the keywords that follow, and return its document.

        Skips the test when the scenario has no such run.
        """
        assert self._last is not None, "expected Run Scenario first"
        self._document, self._firmware, self._folder = None, None, self._last.folder
        for document in self._last.documents:
            if (document.settings["platform"], _dtype(document)) == (platform, dtype):
                self._document = document
                return document
        known = [f"{document.settings['platform']}, {_dtype(document)}" for document in self._last.documents]
        raise SkipExecution(
            f"the scenario has no run on {platform} in {dtype}; {nearest(f'{platform}, {dtype}', known)}"
        )

    @keyword
    def build_firmware(self, file: str, **overrides: Any) -> Loadable:
        """Build the only run of the scenario ``file`` with ``overrides``, for a Renode that the suite drives itself.

        What it returns has ``elf``; ``writes``, pairs of a file and the address it is loaded to; ``vector_table``;
        ``uart``; and ``records``, the lines that the UART then carries: those of the twin.
        """
        return self._build(self._resolved(Path(file), overrides), self._begin_folder())

    @keyword
    def build_firmware_of_the_run(self) -> Loadable | None:
        """Build what `Take Run` chose as `Build Firmware` does; nothing when no run is chosen."""
        if self._data is None or self._document is None:
            return None
        data = copy.deepcopy(self._data)
        for key, value in (
            ("platform", self._document.settings["platform"]),
            ("training.dtype", _dtype(self._document)),
        ):
            _put(data, key, value)
        return self._build(data, self._claim(self._failed_folder() / "loadable"))

    def _build(self, data: dict[str, Any], folder: Path) -> Loadable:
        # Slow imports, for those only who build.
        from harness.pipeline import prepare
        from harness.pipeline.loadable import build_loadable

        _put(data, "engine.name", _DEFAULT_ENGINE)  # no engine runs it
        scenario = _write_scenario(data, folder)
        try:
            (prepared,) = prepare(read_scenarios(scenario))
            self._firmware = build_loadable(prepared, user_cache(), scenario.parent)
        except HarnessError as problem:
            raise Failure(str(problem)) from None
        return self._firmware

    @keyword
    def escaped_for_renode(self, path: str | Path) -> str:
        """Return ``path`` as Renode's monitor takes it behind an ``@``."""
        return str(path).replace(" ", "\\ ")

    # Judging --------------------------------------------------------------------------------------------------------

    @keyword
    def training_should_have_ended(self) -> None:
        """Fail unless the run trained to its end, and the emulated board did all steps it was asked for."""
        document, records = self._ok(), self._records()
        assert document.agreement is not None
        steps = document.agreement.steps_emulated
        seen = [record["n"] for record in records if record["r"] == "step"]
        if seen != list(range(1, steps + 1)):
            raise Failure(f"expected records of the steps 1 to {steps} on the UART, not of {seen}")
        if records[-1]["r"] != "end":
            raise Failure(f"expected the record 'end' to be the last, not {records[-1]}")
        logger.info(f"{steps} of {document.agreement.steps_total} steps emulated on the {_engine_name(document)}")

    @keyword
    def twin_and_target_should_agree(self) -> None:
        """Fail unless all records, and all bits of the trained state, of twin and target were the same."""
        agreement = self._ok().agreement
        assert agreement is not None
        if not (agreement.records_equal and agreement.weights_equal):
            raise Failure(f"twin and target differ: {agreement}")
        logger.info(f"{agreement.steps_emulated} steps: all records and every bit of the state are the same")

    @keyword
    def counts_should_be_those_of_the_default_engine(self) -> None:
        """Fail unless every run of the last scenario has the counts, and the stack, that the default engine gives it.

        Skips the test when that was the default engine.
        """
        assert self._data is not None
        assert self._last is not None
        if self._data["engine"]["name"] == _DEFAULT_ENGINE:
            raise SkipExecution(f"compares another engine with {_DEFAULT_ENGINE}; this is {_DEFAULT_ENGINE}")
        found = self._last.documents
        self._finish({**self._data, "engine": {**self._data["engine"], "name": _DEFAULT_ENGINE}})
        for one, other in zip(found, self._last.documents, strict=True):
            for document in (one, other):
                if document.status == "failed":
                    raise Failure(f"{document.run.label} failed: {document.reason}")
            for what in ("counts", "memory"):
                mine, theirs = getattr(one, what), getattr(other, what)
                if mine != theirs:
                    raise Failure(
                        f"{one.run.label}: {what} differ: {_engine_name(one)}: {mine}; {_engine_name(other)}: {theirs}"
                    )
            assert one.counts is not None
            logger.info(f"{one.run.label}: {one.counts.instructions_total:,} instructions, the same by phase and layer")

    @keyword
    def memory_should_stay_within_its_budget(self) -> None:
        """Fail unless RAM and flash fit their budgets and the deepest stack fits what is reserved for it."""
        memory = self._ok().memory
        assert memory is not None
        for what, used, budget in (
            ("RAM", memory.ram_bytes, memory.ram_budget_bytes),
            ("flash", memory.flash_bytes, memory.flash_budget_bytes),
            ("the deepest stack", memory.stack_peak_bytes, memory.stack_reserved_bytes),
        ):
            logger.info(f"{what}: {used} of {budget} bytes")
            if used > budget:
                raise Failure(f"{what} takes {used} bytes, {used - budget} more than the {budget} bytes it may take")

    @keyword
    def accuracy_should_be_at_least(self, share: str, epochs: int | None = None) -> None:
        """Fail unless the test accuracy reaches ``share`` (``90 %`` or ``0.9``) at the end, or after ``epochs``."""
        accuracy = self._ok().accuracy
        assert accuracy is not None
        reached = accuracy.test
        if epochs is not None:
            by_epoch = {epoch.epoch: epoch.test_accuracy for epoch in accuracy.by_epoch}
            found = by_epoch.get(epochs)
            if found is None:
                raise Failure(f"no test accuracy after {epochs} epochs; the run has {len(by_epoch)} epochs")
            reached = found
        _at_least(reached, share, f"of {accuracy.test_samples} test samples")

    @keyword
    def accuracy_on_the_target_should_be_at_least(self, share: str) -> None:
        """Fail unless the emulated board recognizes ``share`` of ``engine.evaluate`` test samples after its steps."""
        self._ok()
        evaluated = [record for record in self._records() if record["r"] == "eval"]
        if not evaluated:
            raise Failure("the target evaluated nothing; expected engine.evaluate in the scenario")
        last = evaluated[-1]
        _at_least(last["ok"] / last["of"], share, f"of {last['of']} test samples after step {last['n']}")

    @keyword
    def cycles_should_not_exceed_the_baseline(self, file: str, tolerance: str = "1 %", renew: bool = False) -> None:
        """Fail when the estimated cycles of a training step exceed those in ``file`` by more than ``tolerance``.

        Skips when the baseline was made by another compiler, of other settings or with another cycle model: such
        counts are not comparable, so neither pass nor failure would be true. With ``renew`` the run becomes the
        baseline.
        """
        document = self._ok()
        assert self._last is not None
        platform, dtype, compiler = str(document.settings["platform"]), _dtype(document), compiler_of(document)
        now = measured(document, self._last.settings)
        try:
            baseline = Baseline(Path(file))
            if renew:
                baseline.put(compiler, platform, dtype, now)
                logger.info(f"{file}: {now.cycles_per_step:,.0f} cycles a step are the new baseline", also_console=True)
                return
            before = baseline.row(compiler, platform, dtype, now)
        except NoBaselineError as problem:
            raise SkipExecution(f"{file}: {problem}") from None
        except HarnessError as problem:
            raise Failure(str(problem)) from None
        cycles = f"{now.cycles_per_step:,.0f} cycles a step, baseline {before.cycles_per_step:,.0f}"
        excess = now.cycles_per_step / before.cycles_per_step - 1
        changed = now.instructions_per_step / before.instructions_per_step - 1
        message = f"{cycles}: {excess:+.2%} (instructions {changed:+.2%}; tolerance {tolerance})"
        if excess > parse_ratio(tolerance):
            raise Failure(message)
        logger.info(message)

    # Evidence -------------------------------------------------------------------------------------------------------

    @keyword
    def keep_evidence_of_a_failed_test(self) -> None:
        """In a teardown: after a failure, put log, scenario, UART transcript and firmware of the run into a folder.

        The folder is ``runs/failed/SUITE.TEST`` beside Robot's log; log and report link to its files.
        """
        if _variable("TEST STATUS") != "FAIL":
            return
        folder = self._claim(self._failed_folder())
        for name, file in self._evidence().items():
            if file.is_file():
                shutil.copy2(file, folder / name)
        _link("Evidence", sorted(path for path in folder.iterdir() if path.is_file()))

    @keyword
    def link_what_renode_saved(self) -> None:
        """Link the snapshot and the log that Renode's own keywords saved of a failed test."""
        # As tests/renode-keywords.robot names them.
        name = re.sub('[/"]', "-", f"{_variable('SUITE NAME')}.{_variable('TEST NAME')}".replace(" ", "_"))
        for kind in ("snapshots", "logs"):
            _link("Renode's " + kind, sorted((_results_dir() / kind).glob(f"{name}.fail*")))

    @keyword
    def is_under_renode_test(self) -> bool:
        """Say whether Robot runs under renode-test."""
        return _under_renode_test()

    def _evidence(self) -> dict[str, Path]:
        """Return the files that help to understand a failure of the running test, by the names they are kept under."""
        if self._folder is None:
            return {}
        files = {name: self._folder / name for name in (SCENARIO, LOG)}
        if self._document is not None:
            own = self._folder / "firmware" / self._document.run.id
            files |= {name: own / name for name in ("firmware.elf", "firmware.map", "plan.c")}
            files[UART] = self._folder / _uart(self._document)
            _, _, log = (self._document.reason or "").partition(KEPT)
            if log:
                files |= {path.name: path for path in Path(log).parent.iterdir()}
        if self._firmware is not None:
            own = self._firmware.folder
            files |= {name: own / name for name in ("firmware.elf", "firmware.map", "records.txt", UART)}
        return files

    # Inside ---------------------------------------------------------------------------------------------------------

    def _resolved(self, file: Path, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of a scenario file on the engine of this execution, with `overrides` in it."""
        try:
            document = read_document(file)
            document.check()
        except HarnessError as problem:
            raise Failure(str(problem)) from None
        data = copy.deepcopy(document.data)
        for key, value in {"engine.name": self.engine(), **overrides}.items():
            _put(data, key, _value(value))
        weights = data.get("model", {}).get("weights")
        if weights is not None:  # relative to the file it stands in
            data["model"]["weights"] = str((file.parent / weights).resolve())
        return data

    def _finish(self, data: dict[str, Any]) -> None:
        """Make the results of a scenario the last ones, running it unless this process has done so."""
        key = content_hash([json.dumps(data, sort_keys=True).encode()])
        if key not in _finished:
            name = f"{_slug(str(data.get('name', 'scenario')))}-{data['engine']['name']}-{key[:6]}"
            _finished[key] = self._run(data, _results_dir() / RUNS / _slug(_variable("SUITE NAME")) / name)
        self._data, self._last = data, _finished[key]
        self._document, self._firmware, self._folder = None, None, self._last.folder

    def _run(self, data: dict[str, Any], folder: Path) -> Finished:
        logger.console(f"\n  {data.get('name')} on {data['engine']['name']}: {folder}")
        self._claim(folder)
        log, status = self._execute(data, folder)
        if status not in (0, EXIT_FAILURE):
            raise Failure(f"harness run ended with exit status {status}, see {folder / LOG}:\n{_tail(log)}")
        logger.info(log)
        return Finished(folder, tuple(read_results(folder)), _settings_hash(data))

    def _execute(self, data: dict[str, Any], folder: Path) -> tuple[str, int]:
        """Run the harness as a process; return what it says, and its exit status."""
        scenario = _write_scenario(data, folder)
        command = [sys.executable, "-m", "harness", "run", str(scenario), "--output", str(folder)]
        if str(_variable("FRESH")).lower() not in {"no", "false"}:
            command.append("--fresh")
        with (folder / LOG).open("w+b") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=_environment()
            )
            try:
                status = process.wait()
            except BaseException:  # Robot's timeouts and Ctrl-C
                _end(process)
                raise
            log.seek(0)
            return log.read().decode("utf-8", "replace"), status

    def _begin_folder(self) -> Path:
        """Return an empty folder of the running test, which is about it from now on."""
        self._document = self._firmware = None
        self._folder = self._claim(
            _results_dir() / RUNS / _slug(_variable("SUITE NAME")) / _slug(_variable("TEST NAME"))
        )
        return self._folder

    def _claim(self, folder: Path) -> Path:
        """Return `folder`, empty: what an earlier execution left there would look like results of this one."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _failed_folder(self) -> Path:
        return _results_dir() / RUNS / FAILED / _slug(f"{_variable('SUITE NAME')}.{_variable('TEST NAME')}")

    def _ok(self) -> Document:
        assert self._document is not None, "expected Take Run first"
        if self._document.status == "failed":
            raise Failure(f"{self._document.run.label} failed: {self._document.reason}")
        return self._document

    def _records(self) -> tuple[dict[str, Any], ...]:
        assert self._last is not None
        assert self._document is not None
        lines = (self._last.folder / _uart(self._document)).read_text("ascii").splitlines()
        return tuple(json.loads(line) for line in lines)

    def _link_results(self, finished: Finished, changed: str) -> None:
        name = finished.folder.name if changed else finished.documents[0].run.scenario
        told = f" with {changed}" if changed else ""
        page, plot = _href(finished.folder / "report.html"), finished.folder / _PLOT
        # Robot would show a link to a picture as the picture itself, were it not for the #.
        plots = [
            f"[{_href(path)}#|{path.stem.replace('-', ' ')}]"
            for path in sorted((finished.folder / "plots").glob("*.svg"))
        ]
        for top in (False, True):
            BuiltIn().set_suite_metadata(f"Report of {name}", f"[{page}|report.html]{told}", top=top)
            if plots:
                BuiltIn().set_suite_metadata(f"Plots of {name}", ", ".join(plots), top=top)
        image = f'<br><a href="{page}"><img src="{_href(plot)}" width="480"></a>' if plot.exists() else ""
        logger.info(f'<a href="{page}">Report of {html.escape(name)}</a>{image}', html=True)


def _variable(name: str) -> Any:
    return BuiltIn().get_variable_value(f"${{{name}}}")


def _under_renode_test() -> bool:
    # Set by Renode's tests/robot_tests_provider.py, and by nothing else.
    return _variable("RENODEKEYWORDS") is not None


def _results_dir() -> Path:
    """Return the folder that Robot's log will lie in: links in it are relative."""
    if _under_renode_test():
        return Path(_variable("RESULTS_DIRECTORY"))
    log = _variable("LOG FILE")
    return Path(log).parent if log and log != "NONE" else Path(_variable("OUTPUT DIR"))


def _environment() -> dict[str, str]:
    """Return the environment of the harness: this package and, where the user names none, the Renode under test."""
    own = str(Path(harness.__file__).resolve().parent.parent)
    paths = [own, *filter(None, [os.environ.get("PYTHONPATH")])]
    changes = {"PYTHONPATH": os.pathsep.join(paths), "NO_COLOR": "1", "COLUMNS": "160"}
    if _under_renode_test() and "RENODE" not in os.environ:
        launcher = Path(_variable("RENODEKEYWORDS")).parent.parent / "renode"
        if launcher.exists():
            changes["RENODE"] = str(launcher)
    return os.environ | changes


def _write_scenario(data: dict[str, Any], folder: Path) -> Path:
    file = folder / SCENARIO
    write_atomically(file, yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode())
    return file


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set a nested key; the matrix loses it."""
    matrix = data.get("matrix")
    if isinstance(matrix, dict):
        matrix.pop(key, None)
        if not matrix:
            del data["matrix"]
    *sections, last = key.split(".")
    for section in sections:
        inner = data.get(section)
        data[section] = inner if isinstance(inner, dict) else {}
        data = data[section]
    data[last] = value


def _value(value: Any) -> Any:
    """Return what Robot passes as text as YAML reads it."""
    if not isinstance(value, str):
        return value
    read = yaml.safe_load(value)
    if isinstance(read, str):
        with contextlib.suppress(ValueError):
            return float(read)  # 1e-3, which YAML 1.1 takes for text
    return read


def _settings_hash(data: dict[str, Any]) -> str:
    """Return the hash of what the cost of a step depends on, beside platform and data type."""
    kept = {key: copy.deepcopy(value) for key, value in data.items() if key not in {"name", "description", "tags"}}
    kept["engine"] = {key: value for key, value in kept["engine"].items() if key not in {"name", "timeout_s"}}
    for key in ("platform", "training.dtype"):
        _put(kept, key, None)
    return content_hash([json.dumps(kept, sort_keys=True).encode()])


def _dtype(document: Document) -> str:
    training = document.settings["training"]
    assert isinstance(training, dict)
    return str(training["dtype"])


def _engine_name(document: Document) -> str:
    return f"engine {document.provenance.engine} {document.provenance.engine_version}"


def _at_least(reached: float, share: str, what: str) -> None:
    message = f"accuracy {reached:.1%} {what}, expected at least {share}"
    if reached < parse_ratio(share):
        raise Failure(message)
    logger.info(message)


def _uart(document: Document) -> str:
    return f"uart/{document.run.id}.txt"


def _link(title: str, files: list[Path]) -> None:
    """Link files in the log and in the documentation of the test, which the report shows."""
    if not files:
        return
    links = " ".join(f'<a href="{html.escape(_href(path))}">{html.escape(path.name)}</a>' for path in files)
    logger.info(f"{html.escape(title)}: {links}", html=True)
    documentation = " ".join(f"[{_href(path)}|{path.name}]" for path in files)
    BuiltIn().set_test_documentation(f"{title}: {documentation}", append=True)


def _href(path: Path) -> str:
    return Path(os.path.relpath(path, _results_dir())).as_posix().replace(" ", "%20")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_")


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LOG_LINES_SHOWN:])
