"""One self-contained HTML page for a suite: overview, trade-offs, table, and each run in detail.

The page loads nothing and runs only its own script (its content security policy says so); every text from a scenario
is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.assets import asset_dir, write_atomically
from harness.report import notation, palette
from harness.report.drawn import Plot
from harness.report.stored_plots import stored_plots
from harness.report.strip import layer_strip, ram_strip
from harness.report.suite import Suite, column_title
from harness.result import NO_LAYER, Document, Estimate, Interval, Memory, Sampling
from harness.result.layout import Layout

Context = dict[str, Any]

_FAILURES = 10
"""So many failed runs are named in the overview; the table has all."""


@dataclass(frozen=True)
class _Result:
    """A column of results: how to get its number from a successful run, and how to write it."""

    title: str
    column: str
    value: Callable[[Document], float]
    form: Callable[[float], str]
    estimate: str | None = None
    """Name of the field of `Estimates`, when the number is one."""
    first: str = "ascending"
    ranged: Callable[[float, float, float], str] = notation.ranged
    """How to write an estimate with its range."""


def _estimate(
    title: str,
    name: str,
    form: Callable[[float], str] = notation.significant,
    ranged: Callable[[float, float, float], str] = notation.ranged,
) -> _Result:
    return _Result(title, name, lambda one: float(getattr(one.estimates, name).value), form, name, ranged=ranged)


def _memory(document: Document) -> Memory:
    assert document.memory is not None
    return document.memory


def _accuracy(document: Document) -> float:
    assert document.accuracy is not None
    return document.accuracy.test


def _deployed(document: Document) -> float:
    assert document.accuracy is not None
    assert document.accuracy.deployed is not None
    return document.accuracy.deployed


def _instructions(document: Document) -> float:
    assert document.counts is not None
    return document.counts.instructions_per_step


def _updated(document: Document) -> float:
    assert document.updated_share is not None
    return document.updated_share


_ACCURACY = _Result("accuracy", "accuracy_test", _accuracy, notation.percent, first="descending")
_TIME = _estimate("ms/step", "time_ms_per_step")
_ENERGY = _estimate("mJ/step", "energy_mj_per_step")
_RAM = _Result("RAM of budget", "ram_bytes", lambda one: _memory(one).ram_bytes, notation.kib)
_DEPLOYED = _Result("as deployed", "accuracy_deployed", _deployed, notation.percent, first="descending")
_RESULTS = (
    _Result("instr/step", "instructions_per_step", _instructions, notation.count),
    _estimate("cycles/step", "cycles_per_step", notation.prefixed, notation.ranged_prefixed),
    _TIME,
    _ENERGY,
    _RAM,
    _Result("flash", "flash_bytes", lambda one: _memory(one).flash_bytes, notation.kib),
    _Result(
        "stack peak",
        "stack_peak_bytes",
        lambda one: _memory(one).stack_peak_bytes,
        lambda size: f"{notation.count(size)} B",
    ),
    _Result("updated", "updated_share", _updated, lambda share: notation.percent(share, 0)),
)


def _results(suite: Suite) -> tuple[_Result, ...]:
    """Return the columns of results; the accuracy comes first."""
    return (_ACCURACY, *((_DEPLOYED,) if suite.adapts else ()), *_RESULTS)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _text(result: _Result, document: Document) -> str:
    if result.estimate is None:
        return result.form(result.value(document))
    estimate: Estimate = getattr(document.estimates, result.estimate)
    return f"≈ {result.ranged(estimate.value, estimate.low, estimate.high)}"


def _cell(text: str, kind: str = "", value: float | None = None, hint: str = "", share: float | None = None) -> Context:
    return {"text": text, "kind": kind, "value": value, "hint": hint, "share": share}


def _exact(text: str, share: float | None = None) -> Context:
    return _cell(text, "num", share=share)


def _estimated(text: str, share: float | None = None) -> Context:
    return _cell(f"≈ {text}", "num est", share=share)


def _columns(*columns: tuple[str, str]) -> list[Context]:
    """Return headers from pairs of title and kind: `text`, `number` (no tag), `exact` or `estimate`."""
    return [
        {
            "title": title,
            "numeric": kind != "text",
            "tagged": kind in ("exact", "estimate"),
            "estimated": kind == "estimate",
        }
        for title, kind in columns
    ]


def _verdict(suite: Suite) -> Context:
    total, failed = len(suite.documents), len(suite.failed)
    if not total:
        return {"good": False, "verdict": "No runs.", "verdict_rest": ""}
    runs = "1 run" if total == 1 else f"{total} runs"
    head = f"{failed} of {runs} failed." if failed else f"{'The run' if total == 1 else f'All {runs}'} succeeded."
    agreed, rest = True, []
    if suite.ok:
        steps = sorted({one.agreement.steps_emulated for one in suite.ok if one.agreement})
        differing = [
            one
            for one in suite.ok
            if one.agreement and not (one.agreement.records_equal and one.agreement.weights_equal)
        ]
        agreed = not differing
        span = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
        rest.append(
            f"Twin and target agree in every bit over the {span} emulated steps of every finished run."
            if agreed
            else f"Twin and target differ in {len(differing)} of them."
        )
        if any(one.sampling for one in suite.ok):
            rest.append("Costs of sampled runs are means over their whole trainings, estimated from those steps.")
        over = [
            one
            for one in suite.ok
            if _memory(one).ram_bytes > _memory(one).ram_budget_bytes
            or _memory(one).flash_bytes > _memory(one).flash_budget_bytes
        ]
        rest.append(f"{len(over)} exceed a budget." if over else "RAM and flash stay within their budgets.")
        agreed = agreed and not over
    return {"good": agreed and not failed, "verdict": head, "verdict_rest": " ".join(rest)}


def _failures(suite: Suite, anchors: Sequence[str]) -> Context:
    failures = [
        {"label": suite.label(index), "anchor": anchors[index], "reason": notation.plain(document.reason, 400)}
        for index, document in enumerate(suite.documents)
        if document.status == "failed"
    ]
    return {"failures": failures[:_FAILURES], "more_failures": len(failures[_FAILURES:])}


def _cards(suite: Suite, anchors: Sequence[str]) -> list[Context]:
    wanted = (
        ("Best accuracy", _ACCURACY, -1, ""),
        ("Fastest step", _TIME, 1, " ms"),
        ("Least energy per step", _ENERGY, 1, " mJ"),
        ("Smallest RAM", _RAM, 1, ""),
    )
    ok = [number for number, group in enumerate(suite.groups) if group.finished]
    cards = []
    for name, result, sign, unit in wanted:
        if not ok:
            break
        best = min(ok, key=lambda number: (sign * suite.mean(number, result.column), -_mean_accuracy(suite, number)))
        cards.append(
            {
                "name": name,
                "value": f"{_mean_text(suite, best, result)}{unit}",
                "estimated": result.estimate is not None,
                "label": suite.group_label(best),
                "anchor": anchors[suite.groups[best].finished[0]],
            }
        )
    return cards


def _mean_accuracy(suite: Suite, group: int) -> float:
    return suite.mean(group, _ACCURACY.column)


def _mean_text(suite: Suite, group: int, result: _Result) -> str:
    form = result.form
    if result is _ACCURACY and len(suite.groups[group].finished) > 1:
        form = _two_decimals
    text = notation.spread(suite.mean(group, result.column), suite.deviation(group, result.column), form)
    return f"≈ {text}" if result.estimate else text


def _two_decimals(share: float) -> str:
    return notation.percent(share, 2)


def _seeds(suite: Suite) -> Context | None:
    """Return the table of means over runs that differ only in their seed; None when there are none."""
    if not suite.has_seeds:
        return None
    columns = _columns(
        *((column_title(name), "text") for name in suite.telling),
        ("runs", "number"),
        (_ACCURACY.title, "exact"),
        ("standard error", "exact"),
        ("lowest", "exact"),
        ("highest", "exact"),
        *((result.title, "estimate" if result.estimate else "exact") for result in _results(suite)[1:]),
    )
    rows = []
    for number, group in enumerate(suite.groups):
        runs, finished = len(group.indices), len(group.finished)
        cells = [_cell(suite.setting(group.indices[0], name)) for name in suite.telling]
        cells.append(_cell(f"{finished}" if finished == runs else f"{finished} of {runs}", "num"))
        if not finished:
            rows.append([*cells, _exact("failed"), *(_exact("") for _ in range(len(_results(suite)) + 2))])
            continue
        accuracies = [_accuracy(suite.documents[index]) for index in group.finished]
        error = suite.deviation(number, _ACCURACY.column) / math.sqrt(finished)
        cells += [
            _exact(_mean_text(suite, number, _ACCURACY)),
            _exact(_two_decimals(error) if finished > 1 else "-"),
            _exact(notation.percent(min(accuracies))),
            _exact(notation.percent(max(accuracies))),
        ]
        for result in _results(suite)[1:]:
            text = _mean_text(suite, number, result)
            cells.append(_cell(text, "num est" if result.estimate else "num"))
        rows.append(cells)
    note = (
        "Mean ± sample deviation over the runs that differ only in training.seed. The standard error of the mean is "
        "the deviation divided by the root of their number. In seeds.csv and results.json with all columns."
    )
    return {"title": "Over seeds", "columns": columns, "rows": rows, "note": note}


def _models(suite: Suite) -> list[tuple[str, str, str]]:
    """Return quantity, model and error of every estimate in the table, in full."""
    quantities: dict[tuple[str, str], list[str]] = {}
    for quantity, column in (
        ("cycles", "cycles_per_step"),
        ("time", "time_ms_per_step"),
        ("energy", "energy_mj_per_step"),
    ):
        for found in suite.models(column):
            quantities.setdefault(found, []).append(quantity)
    return [(" and ".join(names), model, error) for (model, error), names in quantities.items()]


def _row(suite: Suite, index: int, anchor: str) -> Context:
    document = suite.documents[index]
    names = [suite.setting(index, name) for name in suite.varying] or [suite.label(index)]
    cells = [*(_cell(name) for name in names), _cell(suite.marks(index), "front")]
    failed = document.status == "failed"
    for result in _results(suite):
        if failed:
            cells.append(_cell("failed" if result is _ACCURACY else "", "num"))
            continue
        hint = ""
        if result.estimate:
            estimate: Estimate = getattr(document.estimates, result.estimate)
            hint = f"{estimate.model}, error {estimate.error}"
        kind = "num est" if result.estimate else "num"
        text = _text(result, document)
        if result is _RAM:
            text += f" ({notation.percent(_share(_memory(document).ram_bytes, _memory(document).ram_budget_bytes), 0)})"
        cells.append(_cell(text, kind, result.value(document), hint))
    return {"cells": cells, "anchor": anchor, "label": suite.label(index), "failed": failed}


def _phase_table(document: Document) -> Context:
    assert document.counts is not None
    cycles: dict[str, float] = {}
    for part in document.counts.by_layer:
        cycles[part.phase] = cycles.get(part.phase, 0.0) + part.cycles_per_step
    total = sum(cycles.values())
    rows = [
        [
            _cell(phase),
            _exact(notation.count(count)),
            _estimated(notation.prefixed(cycles.get(phase, 0.0)), _share(cycles.get(phase, 0.0), total)),
        ]
        for phase, count in document.counts.by_phase.items()
    ]
    columns = _columns(("phase", "text"), ("instr/step", "exact"), ("cycles/step", "estimate"))
    return {"title": "Phases", "columns": columns, "rows": rows, "note": _cycle_model(document)}


def _cycle_model(document: Document) -> str:
    assert document.estimates is not None
    return f"Cycles: {_named_model(document.estimates.cycles_per_step)}."


def _named_model(estimate: Estimate) -> str:
    """Return the model of an estimate and the figures of its error: `pipeline-m4f-1 (±10 %)`."""
    return f"{notation.model_name(estimate.model)} ({notation.error_figures(estimate.error)})"


def _layer_table(document: Document) -> Context:
    assert document.counts is not None
    total = sum(part.cycles_per_step for part in document.counts.by_layer)
    rows = [
        [
            _cell("-" if part.layer == NO_LAYER else notation.plain(part.layer_name or part.layer, 40)),
            _cell(part.phase),
            _exact(notation.count(part.instructions_per_step)),
            _estimated(notation.prefixed(part.cycles_per_step), _share(part.cycles_per_step, total)),
        ]
        for part in sorted(document.counts.by_layer, key=lambda part: -part.cycles_per_step)
    ]
    columns = _columns(("layer", "text"), ("phase", "text"), ("instr/step", "exact"), ("cycles/step", "estimate"))
    return {"title": "Layers, the dearest first", "columns": columns, "rows": rows, "note": _cycle_model(document)}


def _memory_tables(document: Document) -> list[Context]:
    memory = _memory(document)
    columns = _columns(("part", "text"), ("bytes", "exact"))

    def rows(sizes: Sequence[tuple[str, int]], whole: int) -> list[list[Context]]:
        return [[_cell(name), _exact(notation.count(size), _share(size, whole))] for name, size in sizes]

    ram = [
        ("arena", memory.arena_bytes),
        ("initialised data", memory.data_bytes),
        ("other zeroed data", memory.bss_bytes),
        ("reserved stack", memory.stack_reserved_bytes),
        ("of it used at most", memory.stack_peak_bytes),
        ("all RAM", memory.ram_bytes),
        ("RAM budget", memory.ram_budget_bytes),
    ]
    arena = [
        *((name, size) for name, size in memory.arena_by_category.items() if size),
        ("all of the arena", memory.arena_bytes),
    ]
    flash = [*memory.flash_by_section.items(), ("all flash", memory.flash_bytes)]
    bound = f"No placement needs less than {notation.count(memory.arena_lower_bound_bytes)} bytes."
    budget = f"Budget {notation.kib(memory.flash_budget_bytes)}."
    return [
        {"title": "RAM", "columns": columns, "rows": rows(ram, memory.ram_budget_bytes), "note": ""},
        {"title": "Arena", "columns": columns, "rows": rows(arena, memory.arena_bytes), "note": bound},
        {"title": "Flash", "columns": columns, "rows": rows(flash, memory.flash_bytes), "note": budget},
    ]


def _epoch_table(document: Document) -> Context:
    assert document.accuracy is not None
    accuracy = document.accuracy
    stages = (
        ("pretrained, on its own data", accuracy.pretrained),
        ("as deployed", accuracy.deployed),
        ("last layers reset", accuracy.reset),
    )
    rows = [
        [_exact(stage), _exact("-"), _exact("-"), _exact(notation.percent(share))]
        for stage, share in stages
        if share is not None
    ]
    rows += [
        [
            _exact(str(epoch.epoch)),
            _exact(notation.significant(epoch.train_loss)),
            _exact(notation.percent(epoch.train_accuracy)),
            _exact("-" if epoch.test_accuracy is None else notation.percent(epoch.test_accuracy)),
        ]
        for epoch in accuracy.by_epoch
    ]
    columns = _columns(
        ("epoch", "number"), ("training loss", "number"), ("training accuracy", "number"), ("test accuracy", "number")
    )
    note = f"In the end {notation.percent(accuracy.test)} of {accuracy.test_samples} test samples, mean loss "
    return {
        "title": "Training",
        "columns": columns,
        "rows": rows,
        "note": f"{note}{notation.significant(accuracy.loss)}.",
    }


def _sampled(sampling: Sampling) -> list[tuple[str, str]]:
    strata, samples = len(sampling.strata), len(sampling.samples)
    confidence = f"{notation.percent(sampling.confidence, 0)} confidence interval"

    def said(interval: Interval) -> str:
        return f"{notation.count(interval.mean)}, {confidence} {notation.count(interval.low)} to " + notation.count(
            interval.high
        )

    return [
        (
            "samples",
            f"{samples} at random places, as many in each of {strata} equally long spans of the training; costs per "
            "step are means over all of it, estimated from them",
        ),
        ("instructions per step", said(sampling.instructions_per_step)),
        ("cycles per step", f"≈ {said(sampling.cycles_per_step)}; the error of the cycle model comes on top"),
    ]


def _agreement(document: Document) -> list[tuple[str, str]]:
    agreement, counts, estimates = document.agreement, document.counts, document.estimates
    assert agreement is not None
    assert counts is not None
    assert estimates is not None

    def said(equal: bool) -> str:
        return "equal in every bit" if equal else "DIFFER"

    sampled = [] if document.sampling is None else _sampled(document.sampling)
    time_s, energy_mj = estimates.training_time_s, estimates.training_energy_mj
    energy_j = notation.ranged(energy_mj.value / 1e3, energy_mj.low / 1e3, energy_mj.high / 1e3)
    return [
        ("emulated", f"{agreement.steps_emulated:,} of {agreement.steps_total:,} training steps"),
        *sampled,
        ("records", said(agreement.records_equal)),
        ("weights", said(agreement.weights_equal)),
        ("instructions", f"{counts.instructions_total:,} in emulation, exact"),
        (
            "whole training",
            f"≈ {notation.ranged_duration(time_s.value, time_s.low, time_s.high)}, {_named_model(time_s)}",
        ),
        ("its energy", f"≈ {energy_j} J, {_named_model(energy_mj)}"),
    ]


def _provenance(document: Document) -> list[tuple[str, str]]:
    provenance = document.provenance
    changed = {True: " with changes", False: "", None: ""}[provenance.git_dirty]
    return [
        ("scenario", notation.plain(document.run.file)),
        ("created", provenance.created.strftime("%Y-%m-%d %H:%M:%S %Z")),
        ("harness", f"{provenance.harness}, commit {provenance.git_commit or 'unknown'}{changed}"),
        ("engine", f"{provenance.engine} {provenance.engine_version}"),
        ("cycle model", provenance.cycle_model),
        ("compiler flags", " ".join(provenance.compiler_flags)),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in provenance.seeds.items())),
        ("tools", ", ".join(f"{name} {version}" for name, version in provenance.tools.items())),
        ("host", f"{provenance.host}, Python {provenance.python}"),
        ("wall time", ", ".join(f"{name} {notation.duration(taken, 2)}" for name, taken in provenance.wall_s.items())),
    ]


def _strips(document: Document, layouts: Mapping[str, Layout]) -> list[Context]:
    strips = [layer_strip(document)]
    if layout := layouts.get(document.run.id):
        strips.append(ram_strip(layout))
    return [
        {
            "title": strip.title,
            "svg": Markup(strip.svg),  # noqa: S704 (its texts are escaped)
            "legend": [{"name": name, "colour": palette.themed(colour)} for name, colour in strip.legend.items()],
            "note": strip.note,
        }
        for strip in strips
    ]


def _detail(suite: Suite, index: int, anchor: str, layouts: Mapping[str, Layout]) -> Context:
    document = suite.documents[index]
    tables: list[Context] = []
    strips: list[Context] = []
    lists = []
    summary = ""
    if document.status == "ok":
        strips = _strips(document, layouts)
        tables = [
            _phase_table(document),
            _layer_table(document),
            *_memory_tables(document),
            _epoch_table(document),
        ]
        lists.append({"title": "Emulation and training", "entries": _agreement(document)})
        accuracy, time, ram = (_text(result, document) for result in (_ACCURACY, _TIME, _RAM))
        summary = f"{accuracy}, {time} ms per step, {ram} RAM"
    settings = [(column_title(name), value) for name, value in suite.settings[index].items() if value != "-"]
    lists.append({"title": "Settings", "entries": settings})
    lists.append({"title": "Provenance", "entries": _provenance(document)})
    return {
        "anchor": anchor,
        "label": suite.label(index),
        "failed": document.status == "failed",
        "reason": notation.lines(document.reason or ""),
        "summary": summary,
        "strips": strips,
        "explained": notation.plain(document.run.label or document.run.id) if document.evidence else "",
        "tables": tables,
        "lists": lists,
    }


def _choices(suite: Suite) -> list[Context]:
    choices = []
    for column, name in enumerate(suite.varying):
        values = dict.fromkeys(suite.setting(index, name) for index in range(len(suite.documents)))
        choices.append({"title": column_title(name), "column": column, "options": list(values)})
    return choices


def _page(suite: Suite, plots: Sequence[Plot], layouts: Mapping[str, Layout]) -> Context:
    anchors = [notation.anchor(index, suite.label(index)) for index in range(len(suite.documents))]
    headers = [
        {"title": column_title(name), "numeric": False, "estimated": False, "first": "ascending"}
        for name in suite.varying or ("run",)
    ]
    headers.append({"title": "front", "numeric": False, "estimated": False, "first": "descending"})
    headers += [
        {"title": result.title, "numeric": True, "estimated": result.estimate is not None, "first": result.first}
        for result in _results(suite)
    ]
    common = [f"{column_title(name)} {value}" for name, value in suite.common.items()]
    latest = max((document.provenance for document in suite.documents), key=lambda one: one.created, default=None)
    footer = ""
    if latest:
        commit = (latest.git_commit or "unknown")[:12]
        footer = (
            f"Made by harness {latest.harness}, commit {commit}{' with changes' if latest.git_dirty else ''}; "
            f"last run {latest.created:%Y-%m-%d %H:%M %Z}. "
            "The numbers of this page are in results.csv and results.json."
        )
    return {
        "title": suite.names or "No runs",
        "subtitle": ", ".join(common),
        **_verdict(suite),
        **_failures(suite, anchors),
        "cards": _cards(suite, anchors),
        "models": _models(suite),
        "seeds": _seeds(suite),
        "plots": [
            {
                "title": plot.title,
                "svg": Markup(plot.inline()),  # noqa: S704 (Matplotlib escapes texts)
                "caption": plot.caption,
                "wide": plot.wide,
            }
            for plot in plots
        ],
        "choices": _choices(suite),
        "columns": headers,
        "rows": [_row(suite, index, anchor) for index, anchor in enumerate(anchors)],
        "details": [_detail(suite, index, anchor, layouts) for index, anchor in enumerate(anchors)],
        "footer": footer,
    }


def render_page(suite: Suite, plots: Sequence[Plot], layouts: Mapping[str, Layout] | None = None) -> str:
    """Return the page of `suite`, with `plots` drawn into it, and the RAM of the runs whose `layouts` are there."""
    folder = asset_dir("reports")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = (folder / "page.js").read_text(encoding="utf-8")
    # The three are files of this project, not texts from a scenario.
    style = environment.get_template("page.css").render(dark_variables=Markup(palette.dark_variables()))  # noqa: S704
    return environment.get_template("page.html.j2").render(
        page=_page(suite, plots, layouts or {}),
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def write_page(path: Path, documents: Sequence[Document]) -> Path:
    """Write the page of `documents` to `path` and return it."""
    suite = Suite(documents)
    write_atomically(path, render_page(suite, stored_plots(suite)).encode())
    return path
