"""What a run stores for `harness explain`: the trace, the firmware and the memory layout, found again by hash."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from small_runs import small_run

from harness.errors import InputError
from harness.result import Document, read_results
from harness.result.evidence import evidence_of, read_layout, stored_path
from harness.trace import Trace


@pytest.fixture(scope="module")
def folder() -> Path:
    return small_run()


@pytest.fixture
def document(folder: Path) -> Document:
    (only,) = read_results(folder)
    return only


def test_the_stored_trace_is_that_of_the_counts(folder: Path, document: Document) -> None:
    trace = Trace.load(stored_path(folder, evidence_of(document, folder).trace))
    assert document.counts is not None
    assert trace.instructions == document.counts.instructions_total
    assert all(len(contents) > 0 for contents, low in zip(trace.stack_contents, trace.stack_low, strict=True) if low)


def test_the_fullest_operation_of_the_stored_layout_is_the_arena_of_the_results(
    folder: Path, document: Document
) -> None:
    layout = read_layout(folder, evidence_of(document, folder).layout)
    memory = document.memory
    assert memory is not None
    assert layout.arena_bytes == memory.arena_bytes
    peak = layout.live_bytes(layout.peak_operation())
    assert sum(peak.values()) == memory.arena_lower_bound_bytes
    assert peak == {name: size for name, size in memory.arena_by_category.items() if size and name != "unused"}


def test_no_two_tensors_that_live_at_once_share_a_byte(folder: Path, document: Document) -> None:
    layout = read_layout(folder, evidence_of(document, folder).layout)
    for index in range(len(layout.operations)):
        places = sorted((one.offset, one.offset + one.size_bytes) for one in layout.alive_at(index))
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(places))
        assert places[-1][1] <= layout.arena_bytes


def test_a_changed_or_missing_file_is_refused_by_its_name(folder: Path, document: Document, tmp_path: Path) -> None:
    stored = evidence_of(document, folder).trace
    changed = tmp_path / stored.name
    changed.parent.mkdir()
    changed.write_bytes((folder / stored.name).read_bytes()[:-1])
    with pytest.raises(InputError, match=r"is not the file of this run any more"):
        stored_path(tmp_path, stored)
    changed.unlink()
    with pytest.raises(InputError, match=r"\.npz: cannot read what the run stored: .*; run it again"):
        stored_path(tmp_path, stored)


def test_an_older_result_and_a_failed_one_say_why_they_explain_nothing(folder: Path, document: Document) -> None:
    with pytest.raises(InputError, match=r"small was stored without its trace, .* harness run small\.yaml -o"):
        evidence_of(document.model_copy(update={"evidence": None}), folder)
    failed = document.model_copy(update={"status": "failed", "reason": "timeout: not finished"})
    with pytest.raises(InputError, match=r"small failed and has nothing to explain: timeout"):
        evidence_of(failed, folder)
