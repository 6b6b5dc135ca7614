"""A verdict as one JSON object, with everything that moved; and results in the Bencher Metric Format."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.report.verdict import headline
from harness.verdict import METRICS, AccuracyComparison, Change, Comparison, ResultSet, RunComparison
from harness.verdict.movement import Moved, MovedLine

VERSION = 1
"""Grows when a field changes its meaning or goes away."""


def verdict_json(comparison: Comparison) -> dict[str, Any]:
    """Return the verdict. Instructions are those of a mean training step and exact."""
    return {
        "version": VERSION,
        "verdict": headline(comparison),
        "regression": comparison.regressed,
        "before": _side(comparison.before),
        "after": _side(comparison.after),
        "commits": [asdict(commit) for commit in comparison.commits],
        "runs": [_run(run) for run in comparison.runs],
        "accuracies": [_accuracy(one) for one in comparison.accuracies],
    }


def _side(results: ResultSet) -> dict[str, Any]:
    return {"name": results.name, "commit": results.commit, "dirty": results.dirty, "date": results.date}


def _change(change: Change) -> dict[str, Any]:
    return {
        "metric": change.metric.name,
        "unit": change.metric.unit,
        "exact": change.metric.exact,
        "before": change.before,
        "after": change.after,
        "judgement": change.judgement,
        "reason": change.reason,
    }


def _moved(moved: Moved) -> dict[str, Any]:
    return dict(zip(("phase", "layer", "function"), moved.names, strict=False)) | _numbers(moved)


def _numbers(moved: Moved | MovedLine) -> dict[str, float]:
    return {"before": moved.before, "after": moved.after, "delta": moved.delta}


def _line(line: MovedLine) -> dict[str, Any]:
    return {
        "line": line.place,
        "earlier": line.earlier or None,
        "function": line.function,
        "symbol": line.symbol,
        "text": line.text,
        "rewritten": line.rewritten,
        "gone": line.gone,
        **_numbers(line),
        "where": [_moved(part) for part in line.where],
    }


def _run(run: RunComparison) -> dict[str, Any]:
    found: dict[str, Any] = {
        "scenario": run.document.run.scenario,
        "label": run.label,
        "id": run.document.run.id,
        "state": run.state,
        "regression": run.regressed,
        "reason": run.document.reason,
        "changes": [_change(change) for change in run.changes],
        "causes": [asdict(cause) for cause in run.causes],
        "sources": list(run.sources),
        "bytes": [asdict(part) for part in (*run.sizes, *run.frames)],
        "cycles_by_code": run.cycles_by_code,
        "note": run.note or None,
    }
    if movement := run.movement:
        for name in ("phases", "layers", "functions"):
            found[name] = [_moved(part) for part in getattr(movement, name)]
        found["lines"] = [_line(line) for line in movement.lines]
    return found


def _accuracy(one: AccuracyComparison) -> dict[str, Any]:
    return {
        "scenario": one.scenario,
        "label": one.label,
        "seeds": list(one.seeds),
        "test": one.test,
        "p": one.p,
        **_change(one.change),
    }


def bencher_metrics(results: ResultSet) -> dict[str, dict[str, dict[str, float]]]:
    """Return results in the Bencher Metric Format: runs are its benchmarks, metrics its measures.

    Estimates have their range as `lower_value` and `upper_value`.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for document in results.documents:
        measures: dict[str, dict[str, float]] = {}
        for metric in METRICS.values():
            value = metric.of(document)
            if value is None:
                continue
            measure = {"value": value}
            if not metric.exact:
                estimate = getattr(document.estimates, metric.name)
                measure |= {"lower_value": estimate.low, "upper_value": estimate.high}
            measures[metric.name.replace("_", "-")] = measure
        if measures:
            found[f"{document.run.scenario}: {document.run.label or document.run.id}"] = measures
    return found
