"""Functions, inlined calls and lines of instructions, beside what addr2line says about them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from firmware_builds import BOARDS, build, probe
from small_runs import small_run

from harness.build import Image
from harness.build.source_map import Origin, SourceMap
from harness.platform import load_platform
from harness.result import read_results


def addr2line(elf: Path, addresses: list[int]) -> list[list[tuple[str, str]]]:
    """Return function and line for each address, those of the innermost inlined call first."""
    command = ["arm-none-eabi-addr2line", "-a", "-f", "-i", "-e", str(elf), *map(hex, addresses)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    blocks = re.split(r"^0x[0-9a-f]{8}\n", out, flags=re.MULTILINE)[1:]
    found = []
    for block in blocks:
        lines = block.splitlines()
        places = [re.sub(r" \(discriminator \d+\)", "", line.rpartition("/")[2]) for line in lines[1::2]]
        found.append(list(zip(lines[::2], places, strict=True)))
    return found


def told(origin: Origin) -> list[tuple[str, str]]:
    """Return an origin as addr2line would print it."""
    names = [origin.function, *(call.function for call in origin.inlined)]
    lines = [*(str(call.line) for call in origin.inlined), str(origin.line)]
    return list(zip(names, lines, strict=True))[::-1]


def compare(elf: Path, every: int) -> tuple[int, int]:
    """Compare an ELF at every so many instructions; return how many were, and how many of them were inlined."""
    image = Image(elf)
    addresses = [a for begin, end in image.code_ranges for a in range(begin, end, 2 * every)]
    compared = inlined = 0
    for address, ours, theirs in zip(
        addresses, SourceMap(image).origins(addresses), addr2line(elf, addresses), strict=True
    ):
        if "?" in theirs[-1][1] or "?" in theirs[-1][0]:
            continue
        # DWARF calls `dot.constprop.0` just `dot`, and libgcc has several names for one function.
        expected = [*theirs[:-1], (ours.function, theirs[-1][1])]
        assert told(ours) == expected, hex(address)
        compared += 1
        inlined += bool(ours.inlined)
    return compared, inlined


@pytest.mark.parametrize("board", BOARDS)
def test_inlined_calls_of_the_test_firmware_are_those_of_addr2line(board: str) -> None:
    compared, inlined = compare(probe(board), every=3)
    assert compared > 150
    assert inlined > 5
    if load_platform(board).vector_table:  # addr2line takes what the linker discarded for what lies at address 0
        assert compare(build(board, "chain.c"), every=1)[1] > 0


def test_inlined_calls_of_the_trainer_are_those_of_addr2line() -> None:
    folder = small_run()
    (document,) = read_results(folder)
    assert document.evidence is not None
    compared, inlined = compare(folder / document.evidence.firmware.name, every=13)
    assert compared > 400
    assert inlined > 200
