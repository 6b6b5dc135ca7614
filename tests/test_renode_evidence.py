"""The engines agree on whole trainings: proven from recordings where there is no Renode."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from renode_evidence import BOARDS, STEPS, difference, manifest, recorded_job, recorded_trace
from renode_found import needs_renode

from harness.build import Image
from harness.engine import UnicornEngine, engine_named
from harness.engine.renode.opcodes import OTHER, class_of
from harness.trace import Trace


@pytest.fixture(scope="module", params=BOARDS)
def recording(request, tmp_path_factory):
    board = request.param
    job = recorded_job(board, tmp_path_factory.mktemp(board))
    return board, job, UnicornEngine().run(job)


def test_the_firmware_is_the_one_that_was_recorded_on_the_named_renode(recording):
    board, job, _ = recording
    assert manifest()["renode"] == "1.16.1"
    assert hashlib.sha256(job.elf.read_bytes()).hexdigest() == manifest()["elf"][board]


def test_the_default_engine_counts_and_computes_what_renode_did(recording):
    board, _, trace = recording
    recorded = recorded_trace(board, "profile")
    assert recorded.engine == "renode"
    assert difference(recorded, trace) is None
    assert len(trace.addresses) > 1000
    assert sum(record["r"] == "step" for record in trace.records) == STEPS
    assert trace.memory["state"].strip(b"\0")


def test_renode_skipped_instructions_of_it_blocks_where_the_core_has_them(recording):
    board, _, _ = recording
    assert bool(recorded_trace(board, "profile").skipped.any()) == (board != "rp2040")


def _by_class(trace: Trace, image: Image, classes: tuple[str, ...]) -> np.ndarray:
    totals = np.zeros((len(classes), len(trace.contexts)), dtype=np.uint64)
    for row, address in enumerate(trace.addresses.tolist()):
        place = classes.index(class_of(int.from_bytes(image.read(address, 2), "little")))
        totals[place] += trace.executions[row] - trace.skipped[row]
        totals[classes.index(OTHER)] += trace.skipped[row]
    return totals


def test_totals_by_class_phase_and_layer_are_sums_of_the_counts_by_address(recording):
    board, job, trace = recording
    counted = recorded_trace(board, "count")
    assert counted.contexts == trace.contexts
    assert np.array_equal(counted.executions, _by_class(trace, Image(job.elf), counted.classes))
    assert np.array_equal(counted.stack_low, trace.stack_low)
    assert counted.stack_contents == trace.stack_contents
    assert counted.records == trace.records
    assert counted.memory == trace.memory


@pytest.mark.parametrize("fidelity", ["profile", "count"])
def test_recorded_anew_renode_gives_the_same(recording, fidelity):
    needs_renode()
    board, job, _ = recording
    again = replace(engine_named("renode", fidelity).run(job), wall_seconds=0.0)
    assert again.pack() == recorded_trace(board, fidelity).pack()
