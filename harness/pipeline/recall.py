"""Whole runs of which nothing changed: neither the scenario, nor a file it names, nor the code, nor a tool."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from pydantic import JsonValue

from harness.build.firmware import compiler_versions, sources_hash
from harness.cache import Cache, Entry, Output, code_hash
from harness.dataset import identity
from harness.errors import HarnessError
from harness.pipeline.kept_files import evidence, keep_files
from harness.platform import Calibration, Platform, load_platform
from harness.result import Document, Run, collect_provenance
from harness.result.provenance import package_versions
from harness.scenario import Scenario
from harness.scenario.permission import permitted_path

_STEP, _DOCUMENT = "run", "document.json"
_ENGINES = ("unicorn",)
"""Engines whose version is that of a package."""


def run_of(scenario: Scenario) -> Run:
    """Return which run a scenario is."""
    return Run(
        id=scenario.id, scenario=scenario.name, label=scenario.label, tags=tuple(scenario.tags), file=scenario.file
    )


def board_of(scenario: Scenario, calibrations: Sequence[Calibration]) -> Platform:
    """Return the board of a scenario with the calibrations that hold for it."""
    platform = load_platform(scenario.platform)
    for calibration in calibrations:
        platform = calibration.applied_to(platform)
    return platform


@cache
def _everything_else() -> dict[str, JsonValue]:
    return {
        "code": code_hash("."),
        "firmware": sources_hash(),
        "packages": dict(package_versions()),
        "compilers": list(compiler_versions()),
    }


def _inputs(scenario: Scenario, platform: Platform) -> dict[str, object]:
    model = scenario.model
    named = [Path(scenario.file).parent / model.weights] if model.weights else []
    named += [permitted_path(model.onnx, scenario.file)] if model.onnx else []
    return {
        "settings": scenario.model_dump(mode="json", exclude={"name", "description", "tags"}),
        "data": identity(scenario.origin()),
        "files": [hashlib.sha256(path.read_bytes()).hexdigest() for path in named],
        "platform": platform.model_dump(mode="json"),
        **_everything_else(),
    }


def remember(
    cache: Cache, scenario: Scenario, platform: Platform, document: Document, files: Mapping[str, bytes]
) -> None:
    """Store the document of a run that ended well, and the files that it left."""
    if scenario.engine.name in _ENGINES:
        body = document.model_dump_json(exclude={"run", "evidence"}).encode()
        inputs = _inputs(scenario, platform)
        cache.put(_STEP, inputs, Output({"files": list(files)}, {_DOCUMENT: body, **files}), 0.0)


def recall(cache: Cache, scenario: Scenario, platform: Platform) -> Entry | None:
    """Return the entry of a run that was done before, None when it has to be run."""
    if scenario.engine.name not in _ENGINES:
        return None
    try:
        return cache.find(_STEP, _inputs(scenario, platform))
    except (OSError, HarnessError):  # a file or a tool is missing: running it says so
        return None


def recalled(entry: Entry, scenario: Scenario, folder: Path) -> Document:
    """Return the document of a run that was done before, and write its files into `folder`.

    All of its stages stand as cached; date, commit and machine are those of now.
    """
    began = time.perf_counter()
    names = entry.values["files"]
    assert isinstance(names, list)
    kept = keep_files(folder, scenario.id, {str(name): entry.read(str(name)) for name in names})
    body = json.loads(entry.read(_DOCUMENT))
    made = body.pop("provenance")
    return Document(
        run=run_of(scenario),
        evidence=evidence(kept, sources_hash()),
        provenance=collect_provenance(
            tools=made["tools"],
            compiler_flags=tuple(made["compiler_flags"]),
            seeds=made["seeds"],
            engine=made["engine"],
            engine_version=made["engine_version"],
            cycle_model=made["cycle_model"],
            wall_s={"recall": round(time.perf_counter() - began, 3)},
            cached=tuple(made["wall_s"]),
        ),
        **body,
    )
