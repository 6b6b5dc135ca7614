"""Who called whom at the deepest point of the stack, on firmware whose calls are known."""

from __future__ import annotations

import pytest
from firmware_builds import BOARDS, SOURCES, build, job, probe

from harness.build import Image
from harness.cost import peak_stack_bytes
from harness.engine import UnicornEngine
from harness.explanation.stack import DeepStack, deep_stacks, deepest_by_phase

OPTIMIZATIONS = ("-O2", "-Os", "-O0")
DEEP = ["through_pointer", "inlined", "jumps_on", "jumped_to", "recurse", "recurse", "recurse", "leaf"]


def names(stack: DeepStack) -> list[str]:
    return [
        name
        for frame in stack.frames
        for name in (frame.origin.function, *(call.function for call in frame.origin.inlined))
    ]


@pytest.mark.parametrize("optimization", OPTIMIZATIONS)
@pytest.mark.parametrize("board", BOARDS)
def test_a_known_chain_is_told_in_full_over_old_return_addresses(board: str, optimization: str) -> None:
    elf = build(board, "chain.c", optimization=optimization)
    trace, image = UnicornEngine().run(job(board, elf)), Image(elf)
    stacks = deepest_by_phase(deep_stacks(trace, image))
    assert names(stacks["forward"]) == ["reset", "run", *DEEP]
    assert names(stacks["load"]) == ["reset", "run", "litter", "litter", "litter", "recurse", "leaf"]
    for stack in stacks.values():
        assert stack.complete
        assert sum(frame.size_bytes for frame in stack.frames) == stack.size_bytes
    assert max(stack.size_bytes for stack in stacks.values()) == peak_stack_bytes(trace, image)


@pytest.mark.parametrize("board", BOARDS)
def test_the_lines_of_a_chain_are_those_of_the_calls(board: str) -> None:
    elf = probe(board)
    text = (SOURCES / "probe.c").read_text().splitlines()
    stacks = deepest_by_phase(deep_stacks(UnicornEngine().run(job(board, elf)), Image(elf)))
    frames = stacks["evaluate"].frames
    assert [frame.origin.function for frame in frames] == ["reset", "run", "variable_frame"]
    assert frames[1].origin.line is not None
    assert "variable_frame(100 + 8 * round)" in text[frames[1].origin.line.number - 1]
    assert frames[-1].size_bytes > 100 + 8 * 49
