import numpy as np
import pytest
import reference_count
from firmware_builds import BOARDS, job, probe

from harness.build import Image
from harness.engine import UnicornEngine
from harness.trace import PHASES, Context, Listing, Trace, loads, stores

BUILDS = [(board, level) for board in BOARDS for level in ("-O2", "-Os", "-O0")]


@pytest.fixture(scope="module", params=BUILDS, ids=lambda build: "".join(build))
def run(request):
    board, level = request.param
    elf = probe(board, level)
    return UnicornEngine().run(job(board, elf)), reference_count.count(board, elf), Listing(Image(elf))


def _by_phase_and_address(trace: Trace, counts: np.ndarray) -> dict[tuple[int, int], int]:
    table: dict[tuple[int, int], int] = {}
    for column, context in enumerate(trace.contexts):
        for row in np.flatnonzero(counts[:, column]):
            key = (PHASES.index(context.phase), int(trace.addresses[row]))
            table[key] = table.get(key, 0) + int(counts[row, column])
    return table


def test_every_instruction_is_counted_as_often_as_a_hook_on_each_sees_it(run):
    trace, reference, _ = run
    assert _by_phase_and_address(trace, trace.executions - trace.skipped) == reference.executed
    assert sum(reference.executed.values()) > 100_000


def test_every_member_of_an_it_block_is_counted_as_often_as_its_it_instruction(run):
    trace, reference, _ = run
    total = dict(zip(trace.addresses.tolist(), trace.executions.sum(axis=1).tolist(), strict=True))
    executed = {member: it for member, it in reference.it_members.items() if it in total}
    assert {member: total[member] for member in executed} == {member: total[it] for member, it in executed.items()}
    hooked = sum(reference.executed.values())
    assert trace.instructions - hooked == int(trace.skipped.sum())


def test_conditions_fail_on_the_cores_that_have_it_blocks(run):
    trace, reference, _ = run
    assert bool(trace.skipped.any()) == bool(reference.it_members)


def test_taken_branches_equal_those_of_an_independent_trace(run):
    trace, reference, _ = run
    assert _by_phase_and_address(trace, trace.taken) == reference.taken


def test_loads_and_stores_equal_those_of_memory_hooks(run):
    trace, reference, listing = run
    assert loads(trace, listing) == sum(reference.loads)
    assert stores(trace, listing) == sum(reference.stores)
    assert sum(reference.stores) > 10_000


def test_totals_are_the_same_in_a_second_run(run):
    trace, _, listing = run
    board = next(board for board in BOARDS if board in str(listing.image.path))
    again = UnicornEngine().run(job(board, listing.image.path))
    for name in ("addresses", "executions", "skipped", "taken", "stack_low"):
        assert np.array_equal(getattr(trace, name), getattr(again, name)), name
    assert trace.records == again.records


@pytest.mark.parametrize("board", BOARDS)
def test_the_lowest_stack_pointer_equals_stack_painting(board):
    elf = probe(board)
    symbols = Image(elf).symbols
    bottom = symbols["__stack_limit"].address
    size = symbols["__stack_top"].address - bottom
    trace = UnicornEngine().run(
        job(board, elf, writes=((bottom, b"\xa5" * size),), reads={"stack": (bottom, size)}),
    )
    words = np.frombuffer(trace.memory["stack"], dtype="<u4")
    painted_low = bottom + 4 * int(np.flatnonzero(words != 0xA5A5A5A5)[0])
    assert int(trace.stack_low.min()) == painted_low
    deepest = trace.contexts[int(trace.stack_low.argmin())]
    assert deepest.phase == "evaluate"


def test_phases_and_layers_are_those_of_the_markers():
    trace = UnicornEngine().run(job("nrf52840", probe("nrf52840")))
    assert trace.contexts[0] == Context("startup", -1)
    assert set(trace.contexts) == {
        Context("startup", -1), Context("load", -1), Context("forward", 0), Context("forward", 1),
        Context("forward", 2), Context("loss", -1), Context("backward", 1), Context("update", 1),
        Context("evaluate", -1), Context("io", -1),
    }  # fmt: skip


def test_the_call_of_the_marker_belongs_to_the_old_context_and_its_body_to_the_new_one():
    elf = probe("nrf52840")
    trace = UnicornEngine().run(job("nrf52840", elf))
    image = Image(elf)
    marker = image.symbols["marker"].address
    entries = trace.executions[trace.addresses.tolist().index(marker)]
    assert entries[trace.contexts.index(Context("startup", -1))] == 0
    assert entries[trace.contexts.index(Context("load", -1))] == 50
    assert int(entries.sum()) == 50 * 8 + 1


def test_progress_tells_the_steps_done():
    seen = []
    UnicornEngine().run(job("nrf52840", probe("nrf52840")), seen.append)
    assert seen[0] == 1
    assert seen == sorted(seen)


def test_an_error_in_the_progress_callback_ends_the_run():
    def refuse(_steps):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        UnicornEngine().run(job("nrf52840", probe("nrf52840")), refuse)


def test_counts_do_not_depend_on_narrow_bounds_of_the_code_hook(monkeypatch):
    elf = probe("nrf52840")
    narrow = UnicornEngine().run(job("nrf52840", elf))
    monkeypatch.setattr("harness.engine.unicorn._place_of_bounds", lambda _handle, _bounds: None)
    wide = UnicornEngine().run(job("nrf52840", elf))
    assert np.array_equal(narrow.executions, wide.executions)
    assert np.array_equal(narrow.skipped, wide.skipped)
    assert np.array_equal(narrow.stack_low, wide.stack_low)
