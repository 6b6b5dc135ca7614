"""Tidy tables of many runs: one row a run, or one row a phase and layer of a run.

Column names carry their units. A column is an estimate if, and only if, it has two neighbours: `<column>_model` names
the model it comes from and `<column>_error` says how far it may be off. `<column>_low` and `<column>_high` give its
range. Everything else is exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import JsonValue

from harness.result.document import Document, Estimate, Estimates, Sampling

Row = dict[str, Any]

_DROPPED_PREFIXES = ("training.",)
_NAMED_PARTS = ("model.name", "dataset.name", "engine.name")
_BESIDE = ("low", "high", "model", "error")
_SIZES = ("memory.ram_budget", "memory.flash_budget", "memory.stack")


def setting_column(path: str) -> str:
    """Return the column of the setting at the dotted `path`.

    `training.` is dropped (`training.update.min_ratio` is `update_min_ratio`), a part's name stands for the part
    (`model.name` is `model`), the sizes a scenario asks for get their unit (`memory.ram_budget` is
    `asked_ram_budget_bytes`; `ram_budget_bytes` is the one that held), and dots become underscores.
    """
    if path in _NAMED_PARTS:
        return path.removesuffix(".name")
    if path in _SIZES:
        return f"asked_{path.removeprefix('memory.')}_bytes"
    for prefix in _DROPPED_PREFIXES:
        path = path.removeprefix(prefix)
    return path.replace(".", "_")


def setting_columns(settings: Mapping[str, JsonValue]) -> Row:
    """Return the settings of one run as flat columns; a list is one column of compact JSON.

    The model of a network from an ONNX file is the name of that file.
    """
    row: Row = {}

    def visit(path: str, value: JsonValue) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                visit(f"{path}.{key}" if path else key, part)
        else:
            text = json.dumps(value, separators=(",", ":")) if isinstance(value, list) else value
            row[setting_column(path)] = text

    visit("", dict(settings))
    if row.get("model_onnx") is not None:
        row["model"] = row["model_onnx"]
    return row


def _estimate(name: str, estimate: Estimate) -> Row:
    return {name: estimate.value} | {f"{name}_{part}": getattr(estimate, part) for part in _BESIDE}


def _intervals(sampling: Sampling, estimates: Estimates) -> Row:
    """Return the confidence intervals of what was sampled. Time and energy are as uncertain as the cycles are."""
    intervals = {"instructions_per_step": sampling.instructions_per_step, "cycles_per_step": sampling.cycles_per_step}
    intervals |= {f"instructions_{phase}_per_step": interval for phase, interval in sampling.by_phase.items()}
    row: Row = {"samples": len(sampling.samples)}
    for name, interval in intervals.items():
        row |= {f"{name}_ci95_low": interval.low, f"{name}_ci95_high": interval.high}
    cycles = sampling.cycles_per_step
    for name in type(estimates).model_fields:
        if name != "cycles_per_step" and cycles.mean:
            value = getattr(estimates, name).value
            row |= {f"{name}_ci95_low": value * cycles.low / cycles.mean}
            row |= {f"{name}_ci95_high": value * cycles.high / cycles.mean}
    return row


def result_values(document: Document) -> Row:
    """Return what one run came to as flat columns: nothing of what a failed run did not get to."""
    row: Row = {}
    if accuracy := document.accuracy:
        row |= {
            "accuracy_test": accuracy.test,
            "accuracy_test_samples": accuracy.test_samples,
            "loss_test": accuracy.loss,
        }
        before = {f"accuracy_{name}": getattr(accuracy, name) for name in ("pretrained", "deployed", "reset")}
        row |= {name: share for name, share in before.items() if share is not None}
    if agreement := document.agreement:
        row |= agreement.model_dump()
    if counts := document.counts:
        row["instructions_per_step"] = counts.instructions_per_step
        row["instructions_total"] = counts.instructions_total
        row |= {f"instructions_{phase}_per_step": count for phase, count in counts.by_phase.items()}
    if estimates := document.estimates:
        for name in type(estimates).model_fields:
            row |= _estimate(name, getattr(estimates, name))
    if document.sampling and document.estimates:
        row |= _intervals(document.sampling, document.estimates)
    if memory := document.memory:
        for name, value in memory.model_dump().items():
            if name == "arena_by_category":
                row |= {f"arena_{category}_bytes": size for category, size in value.items()}
            elif name == "flash_by_section":
                row |= {f"flash_{section.lstrip('.')}_bytes": size for section, size in value.items()}
            else:
                row[name] = value
    if document.updated_share is not None:
        row["updated_share"] = document.updated_share
    return row


def _origin(document: Document) -> Row:
    provenance = document.provenance
    return {
        "harness_version": provenance.harness,
        "git_commit": provenance.git_commit,
        "git_dirty": provenance.git_dirty,
        "python_version": provenance.python,
        "compiler_flags": " ".join(provenance.compiler_flags),
        "engine_version": provenance.engine_version,
        "created": provenance.created.isoformat(),
        "host": provenance.host,
        "wall_s": sum(provenance.wall_s.values()),
    }


def _row(document: Document) -> Row:
    run = document.run
    head = {
        "run": run.id,
        "scenario": run.scenario,
        "label": run.label,
        "tags": ",".join(run.tags),
        "file": run.file,
        "status": document.status,
        "reason": document.reason,
    }
    tail = result_values(document) | _origin(document)
    settings = {name: value for name, value in setting_columns(document.settings).items() if name not in head | tail}
    return head | settings | tail


def tidy(rows: Sequence[Row]) -> pd.DataFrame:
    """Return `rows` as a table with nullable types, so that an absent number does not turn its column into floats."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    data: dict[str, pd.Series[Any]] = {}
    for name in columns:
        values = [row.get(name) for row in rows]
        kinds = {type(value) for value in values if value is not None}
        if kinds == {bool}:
            dtype = "boolean"
        elif kinds == {int}:
            dtype = "Int64"
        elif kinds and kinds <= {int, float}:
            dtype = "Float64"
        else:
            dtype = "string"
            values = [None if value is None else str(value) for value in values]
        data[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(data)


def result_frame(documents: Iterable[Document]) -> pd.DataFrame:
    """Return one row a run, in the order of `documents`; a failed run has its reason and no results."""
    return tidy([_row(document) for document in documents])


def layer_frame(documents: Iterable[Document]) -> pd.DataFrame:
    """Return one row a run, phase and layer: exact instructions and estimated cycles of a mean training step."""
    rows: list[Row] = []
    for document in documents:
        if document.counts is None or document.estimates is None:
            continue
        source = document.estimates.cycles_per_step
        rows += [
            {
                "run": document.run.id,
                **part.model_dump(),
                "cycles_per_step_model": source.model,
                "cycles_per_step_error": source.error,
            }
            for part in document.counts.by_layer
        ]
    return tidy(rows)


def estimated_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of `frame` that are estimates."""
    return [name for name in frame.columns if f"{name}_model" in frame.columns and f"{name}_error" in frame.columns]
