"""Where cycles, RAM, stack and flash of a stored run go: every part beside the whole of the results."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from small_runs import small_run

from harness.errors import InputError
from harness.explanation.breakdown import By, parts, scope_of, total
from harness.explanation.collapsed import collapsed_cycles, collapsed_stacks
from harness.explanation.flash import flash_parts, weights_by_layer
from harness.explanation.operations import operation_costs
from harness.explanation.stored_run import StoredRun, select_run
from harness.explanation.timeline import timeline
from harness.report.cycle_plot import layer_cycles_plot
from harness.report.explanation import explanation_json, explanation_text
from harness.report.memory_plot import ram_plot
from harness.report.notation import model_name
from harness.result import read_results
from harness.result.firmware_sources import read_sources, sources_path


@pytest.fixture(scope="module")
def run() -> StoredRun:
    folder = small_run()
    (document,) = read_results(folder)
    return StoredRun(document, folder)


@pytest.mark.parametrize("by", get_args(By))
@pytest.mark.parametrize("phase", [None, "backward", "evaluate"])
def test_the_parts_of_every_table_sum_to_the_total(run: StoredRun, by: By, phase: str | None) -> None:
    scope = scope_of(run, phase)
    whole, found = total(run, scope), parts(run, scope, by)
    assert sum(part.instructions for part in found) == whole.instructions
    for name in ("low_cycles", "cycles", "high_cycles"):
        assert sum(getattr(part, name) for part in found) == pytest.approx(getattr(whole, name), rel=1e-12)
    assert all(part.low_cycles <= part.cycles <= part.high_cycles for part in found)
    assert len({part.name for part in found}) == len(found)


def test_the_total_is_that_of_the_results(run: StoredRun) -> None:
    counts, estimates = run.document.counts, run.document.estimates
    assert counts is not None
    assert estimates is not None
    scope = scope_of(run)
    whole = total(run, scope)
    assert whole.instructions == round(counts.instructions_per_step * run.steps)
    told = estimates.cycles_per_step
    assert whole.cycles / run.steps == pytest.approx(told.value, rel=1e-12)
    assert whole.low_cycles / run.steps == pytest.approx(told.low, rel=1e-12)
    assert whole.high_cycles / run.steps == pytest.approx(told.high, rel=1e-12)
    by_phase = {part.name: part.instructions / run.steps for part in parts(run, scope, "phase")}
    assert by_phase == pytest.approx(counts.by_phase)


def test_a_layer_can_be_named_by_number_name_or_type(run: StoredRun) -> None:
    assert scope_of(run, layer="0") == scope_of(run, layer="0 conv2d") == scope_of(run, layer="conv2d")
    alone, everything = total(run, scope_of(run, "forward", "conv2d")), total(run, scope_of(run, "forward"))
    assert 0 < alone.instructions < everything.instructions
    with pytest.raises(InputError, match=r"--layer conv: .* no such layer; did you mean '0 conv2d'\?"):
        scope_of(run, layer="conv")
    with pytest.raises(InputError, match=r"--phase foward: .* did you mean 'forward'\?"):
        scope_of(run, phase="foward")
    with pytest.raises(InputError, match=r"executes nothing there"):
        scope_of(run, "loss", "conv2d")


def test_lines_have_the_text_of_the_sources_that_were_built(run: StoredRun) -> None:
    lines = parts(run, scope_of(run, "forward", "max_pool2d"), "line")
    own = [part for part in lines if part.name.startswith("kernels/max_pool2d.c:")]
    assert own
    assert any(re.search(r"MAX_POOL2D_FORWARD\(", part.detail) for part in own)
    assert run.sources is not None


def test_the_sources_that_were_built_are_kept_and_told_from_others(run: StoredRun, tmp_path: Path) -> None:
    assert run.document.evidence is not None
    content = run.document.evidence.sources
    kept = sources_path(run.folder, content)
    assert read_sources(run.folder, content) == run.sources
    (tmp_path / "firmware").mkdir()
    shutil.copy(kept, sources_path(tmp_path, "0" * 16))
    assert read_sources(tmp_path, "0" * 16) is None
    sources_path(tmp_path, content).write_bytes(kept.read_bytes()[:-30])
    assert read_sources(tmp_path, content) is None


def test_lines_of_changed_sources_have_no_text(run: StoredRun) -> None:
    assert run.document.evidence is not None
    older = run.document.evidence.model_copy(update={"sources": "0" * 16})
    stale = StoredRun(run.document.model_copy(update={"evidence": older}), run.folder)
    assert stale.sources is None
    line = next(origin.line for origin in run.origins if origin.line and origin.line.file == "trainer/trainer.c")
    assert run.text(line)
    assert not stale.text(line)
    assert "sources of the firmware have changed" in explanation_text(stale, scope_of(stale), [], 3, memory=False)


def test_a_model_that_changed_since_the_run_is_said(run: StoredRun) -> None:
    estimates = run.document.estimates
    assert estimates is not None
    assert not run.model_changed
    older = estimates.cycles_per_step.model_copy(update={"model": "table-m4f-1"})
    document = run.document.model_copy(update={"estimates": estimates.model_copy(update={"cycles_per_step": older})})
    stale = StoredRun(document, run.folder)
    assert "the cycle model has changed since the run" in explanation_text(stale, scope_of(stale), [], 3, memory=False)
    assert "has changed" not in explanation_text(run, scope_of(run), [], 3, memory=False)


def test_the_deepest_stack_is_that_of_the_results_and_every_chain_is_complete(run: StoredRun) -> None:
    memory = run.document.memory
    assert memory is not None
    assert max(stack.size_bytes for stack in run.stacks) == memory.stack_peak_bytes
    for stack in run.stacks:
        if stack.frames:
            assert stack.complete, stack
            assert stack.frames[0].origin.function == "reset_handler"
            assert sum(frame.size_bytes for frame in stack.frames) == stack.size_bytes
    assert len([stack for stack in run.stacks if stack.frames]) > 8


def test_flash_parts_sum_to_every_section_and_weights_are_those_of_the_layers(run: StoredRun) -> None:
    memory = run.document.memory
    assert memory is not None
    found = flash_parts(run)
    for section, size in memory.flash_by_section.items():
        assert sum(part.size_bytes for part in found if part.section == section) == size
    assert sum(part.size_bytes for part in found) == memory.flash_bytes
    # 4 filters of 3 x 3 and 10 rows over 4 channels of 3 x 3, each weight a byte, each bias a word
    weights = {"0 conv2d": 36 + 4 * 4, "3 dense": 360 + 4 * 10}
    sizes = {name: sum(t.size_bytes for t in run.layout.tensors if t.layer_name == name and t.category == "weights")
             for name in weights}  # fmt: skip
    assert sizes == weights
    told = weights_by_layer(run)
    assert all(told[name] >= weights[name] for name in weights)


STACK = re.compile(r"^(?P<frames>[^;]+(?:;[^;]+)*) (?P<count>[1-9]\d*)$")


def test_collapsed_stacks_are_in_the_format_and_sum_to_the_executed_instructions(run: StoredRun) -> None:
    scope = scope_of(run)
    rows = [STACK.match(line) for line in collapsed_stacks(run, scope).splitlines()]
    assert all(rows)
    assert sum(int(row["count"]) for row in rows if row) == total(run, scope).instructions
    stacks = [row["frames"].split(";") for row in rows if row]
    assert all(len(stack) >= 4 for stack in stacks)
    assert {stack[0] for stack in stacks} == {"load", "forward", "loss", "select", "backward", "update"}
    assert any(len(stack) > 5 for stack in stacks)
    cycles = [STACK.match(line) for line in collapsed_cycles(run, scope).splitlines()]
    assert all(row and row["frames"].startswith(f"estimated cycles: {run.cycles.model}, ") for row in cycles)
    assert sum(int(row["count"]) for row in cycles if row) == pytest.approx(total(run, scope).cycles, rel=0.01)


def test_operations_share_out_the_whole_step(run: StoredRun) -> None:
    costs, whole = operation_costs(run), total(run, scope_of(run))
    assert sum(cost.instructions for cost in costs) * run.steps == pytest.approx(whole.instructions, rel=1e-12)
    assert sum(cost.cycles for cost in costs) * run.steps == pytest.approx(whole.cycles, rel=1e-12)
    assert [cost.index for cost in costs if cost.index is not None] == list(range(len(run.layout.operations)))
    gradient, error = (
        [cost for cost in costs if cost.operation.kernel.endswith(f"_{what}") and cost.operation.layer == 3]
        for what in ("gradient", "error")
    )
    assert gradient[0].cycles > 0 < error[0].cycles
    assert not gradient[0].is_exact


# What the "Trace Event Format" demands of each kind of event.
REQUIRED = {
    "M": {"pid": int, "name": str, "args": dict},
    "X": {"pid": int, "tid": int, "name": str, "cat": str, "ts": float, "dur": float, "args": dict},
    "C": {"pid": int, "name": str, "ts": float, "args": dict},
}


def slices(events: list[dict[str, Any]], thread: int) -> list[tuple[float, float]]:
    return sorted((one["ts"], one["ts"] + one["dur"]) for one in events if one["ph"] == "X" and one["tid"] == thread)


def test_the_timeline_is_in_the_trace_event_format_and_takes_the_time_of_a_step(run: StoredRun) -> None:
    body = json.loads(json.dumps(timeline(run), allow_nan=False))
    events = body["traceEvents"]
    assert body["displayTimeUnit"] in ("ms", "ns")
    assert {event["ph"] for event in events} == {"M", "X", "C"}
    for event in events:
        fields = REQUIRED[event["ph"]]
        assert all(isinstance(event[name], kind) for name, kind in fields.items()), event
        assert event["ph"] != "M" or event["name"] in ("process_name", "thread_name")
        assert event.get("ts", 0) >= 0 <= event.get("dur", 0)
        assert event["ph"] != "C" or all(isinstance(value, int) for value in event["args"].values())
    assert run.document.estimates is not None
    step_us = run.document.estimates.time_ms_per_step.value * 1e3
    for thread in (1, 2, 3):
        spans = slices(events, thread)
        assert all(begin >= end - 1e-6 for (_, end), (begin, _) in itertools.pairwise(spans))
        assert sum(end - begin for begin, end in spans) == pytest.approx(step_us)
    arena = [sum(event["args"].values()) for event in events if event["ph"] == "C"]
    memory = run.document.memory
    assert memory is not None
    assert max(arena) == memory.arena_lower_bound_bytes
    assert body["otherData"]["model"] == run.cycles.model
    assert body["otherData"]["error"] == run.cycles.error


def test_the_text_names_model_and_error_and_marks_the_peak(run: StoredRun) -> None:
    memory = run.document.memory
    assert memory is not None
    text = explanation_text(run, scope_of(run), ["phase", "layer", "function", "line"], 5, memory=True)
    assert f"≈ estimate: {run.cycles.model}, ±" in text
    (peak,) = re.findall(r"^ *\d+ .* ([\d,]+)(?: +[\d,-]+)* +< peak$", text, re.MULTILINE)[:1]
    assert f"{memory.arena_lower_bound_bytes:,}" in next(line for line in text.splitlines() if "< peak" in line), peak
    assert all("≈ cycles" in line for line in text.splitlines() if "instr/step" in line)
    assert f"{memory.stack_peak_bytes:,}" in text


def test_the_json_says_of_every_figure_what_it_is(run: StoredRun) -> None:
    found = json.loads(json.dumps(explanation_json(run, scope_of(run), ["function"], 0), allow_nan=False))
    assert found["instructions"] == found["bytes"] == "exact"
    assert found["cycles"] == {"kind": "estimate", "model": run.cycles.model, "error": run.cycles.error}
    assert sum(part["instructions"] for part in found["by_function"]) == found["total"]["instructions"]
    memory = run.document.memory
    assert memory is not None
    peak = found["ram_over_time"][found["peak_operation"]]["live_bytes"]
    assert peak == {name: size for name, size in memory.arena_by_category.items() if size and name != "unused"}


def test_pictures_name_the_model_and_equal_runs_draw_them_alike(run: StoredRun) -> None:
    assert ram_plot(run) == ram_plot(StoredRun(run.document, run.folder))
    cycles = layer_cycles_plot(run)
    assert "estimated" in cycles.svg
    assert model_name(run.cycles.model) in cycles.svg


def test_a_run_is_found_by_id_label_or_words_and_else_the_nearest_is_named(run: StoredRun) -> None:
    def named(label: str) -> Any:
        return run.document.model_copy(
            update={"run": run.document.run.model_copy(update={"id": label, "label": label})}
        )

    first, second = named("net[nrf52840,uint8,1.0]"), named("net[nrf52840,uint8,0.5]")
    documents = [first, second, named("net[rp2040,uint8,1.0]")]
    place = Path("out")
    assert select_run(place, documents, first.run.label) is first
    assert select_run(place, documents, "nrf52840 0.5") is second
    assert select_run(place, documents[:1], None) is first
    with pytest.raises(
        InputError, match=r"'nrf52840' may be any of net\[nrf52840,uint8,1.0\], net\[nrf52840,uint8,0.5"
    ):
        select_run(place, documents, "nrf52840")
    with pytest.raises(InputError, match=r"no run 'net\[nrf52840,uint8,0.6\]'; did you mean 'net\[nrf52840,uint8,0.5"):
        select_run(place, documents, "net[nrf52840,uint8,0.6]")
    with pytest.raises(InputError, match=r"expected the name of one of its 3 runs: net\["):
        select_run(place, documents, None)


def test_a_stored_trace_of_another_version_is_refused(run: StoredRun, tmp_path: Path) -> None:
    from harness.result.evidence import store_file

    assert run.document.evidence is not None
    stored = store_file(tmp_path, "traces/x.npz", b"PK\x05\x06" + bytes(18))
    evidence = run.document.evidence.model_copy(update={"trace": stored})
    broken = replace(run, document=run.document.model_copy(update={"evidence": evidence}), folder=tmp_path)
    with pytest.raises(InputError, match=r"traces/x\.npz: no trace of this version of harness: .*; run it again"):
        _ = broken.trace
