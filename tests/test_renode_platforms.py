"""Renode's descriptions of the boards beside the boards' own files, and in a running Renode where there is one."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from firmware_builds import BOARDS, job, probe

from harness.build import Image
from harness.engine import UnicornEngine
from harness.engine.renode.description import describe, node_name, registers_source
from harness.engine.renode.installation import find_renode, renode_environment
from harness.platform import Platform, bare_platform, load_platform, platform_names

PLATFORMS = Path(__file__).resolve().parent.parent / "renode" / "platforms"
NODE = re.compile(r"^(?P<name>\w+): (?P<kind>[\w.]+) @ sysbus(?: (?P<origin>0x[0-9A-F]+))?$")
SETTING = re.compile(r"^    (?P<key>\w+): (?P<value>.+)$")
UARTS = {
    "rp2040": "UART.PL011",
    "nrf52840": "UART.NRF52840_UART",
    "imxrt1062": "UART.NXP_LPUART",
    "stm32l4r5zi": "UART.STM32F7_USART",
}


@dataclass
class Node:
    """One entry of a description."""

    kind: str
    origin: int | None
    settings: dict[str, str] = field(default_factory=dict)


def nodes_of(text: str) -> dict[str, Node]:
    """Read a description; every line of it must be understood, and no name may come twice."""
    nodes: dict[str, Node] = {}
    last = Node("", None)
    for line in text.splitlines():
        if found := NODE.match(line):
            assert found["name"] not in nodes
            last = Node(found["kind"], int(found["origin"], 16) if found["origin"] else None)
            nodes[found["name"]] = last
        elif found := SETTING.match(line):
            last.settings[found["key"]] = found["value"]
        else:
            assert line == "" or line.startswith(("//", "    -> ")), line
    return nodes


@pytest.fixture(params=platform_names())
def board(request: pytest.FixtureRequest) -> Platform:
    return load_platform(request.param)


def test_every_board_has_the_description_that_the_command_writes(board: Platform) -> None:
    written = (PLATFORMS / f"{board.name}.repl").read_text("utf-8")
    assert written == describe(board), (
        f"run: harness renode platform {board.name} -o renode/platforms/{board.name}.repl"
    )
    assert {path.stem for path in PLATFORMS.glob("*.repl")} == set(platform_names())


def test_memories_lie_where_the_board_has_them_and_are_as_large(board: Platform) -> None:
    nodes = nodes_of((PLATFORMS / f"{board.name}.repl").read_text("utf-8"))
    memories = {
        (node.origin, int(node.settings["size"], 16)) for node in nodes.values() if node.kind == "Memory.MappedMemory"
    }
    assert memories == {(memory.origin, memory.size_bytes) for memory in board.memories}


def test_registers_read_as_they_do_on_the_default_engine(board: Platform) -> None:
    nodes = nodes_of((PLATFORMS / f"{board.name}.repl").read_text("utf-8"))
    blocks = {node.origin: node for node in nodes.values() if node.kind == "Miscellaneous.RegisterBlock"}
    plain = [p for p in board.peripherals if p.model == "registers" and p.name not in ("DWT", "SCS")]
    assert set(blocks) == {peripheral.origin for peripheral in plain}
    for peripheral in plain:
        for key, words in (("initial", peripheral.reset), ("ready", peripheral.ready)):
            pairs = blocks[peripheral.origin].settings.get(key, '""').strip('"').split()
            assert {int(o, 16): int(v, 16) for o, v in (pair.split("=") for pair in pairs)} == words
        assert int(blocks[peripheral.origin].settings["size"], 16) == peripheral.size_bytes


def test_each_core_has_its_type_and_a_cycle_counter_where_the_architecture_has_one(board: Platform) -> None:
    nodes = nodes_of((PLATFORMS / f"{board.name}.repl").read_text("utf-8"))
    types = {"cortex-m0plus": '"cortex-m0"', "cortex-m4f": '"cortex-m4"', "cortex-m7": '"cortex-m7"'}
    assert nodes["cpu"].settings["cpuType"] == types[board.core]
    assert ("dwt" in nodes) == (board.core != "cortex-m0plus")
    assert nodes[node_name(board.uart)].kind == UARTS[board.name]


def test_counters_run_at_the_frequency_that_is_asked_for(board: Platform) -> None:
    nodes = nodes_of(describe(board, 71_000_000))
    assert nodes["nvic"].settings["systickFrequency"] == "71000000"
    if "dwt" in nodes:
        assert nodes["dwt"].settings["frequency"] == "71000000"


def test_a_chip_of_which_only_the_core_is_known_can_be_described() -> None:
    nodes = nodes_of(describe(bare_platform("cortex-m4f")))
    assert nodes["peripherals_registers"].settings["size"] == "0x10000000"
    assert nodes["code"].origin == 0


# In a running Renode -----------------------------------------------------------------------------------------------


ALIASES = """\
uart0_aliases WriteDoubleWord 0x1030 0x1
uart0 ReadDoubleWord 0x30
uart0_aliases WriteDoubleWord 0x2030 0x100
uart0 ReadDoubleWord 0x30
uart0_aliases WriteDoubleWord 0x30 0x401
uart0_aliases ReadDoubleWord 0x30
resets_registers ReadDoubleWord 0x8
resets_registers WriteDoubleWord 0x0 0x5
resets_registers ReadDoubleWord 0x0
sysbus ReadByte 0x40008038
"""


def a_run(board: str, folder: Path) -> str:
    """Return monitor commands that run the probe of a board and say how many instructions it took to its end."""
    platform, elf = load_platform(board), probe(board)
    finish = Image(elf).symbols["finish"].address
    told = f"import sys; sys.stdout.write('{board} %s\\n' % cpu.ExecutedInstructions); cpu.IsHalted = True"
    return f"""\
mach create "{board}"
machine LoadPlatformDescription @{PLATFORMS}/{board}.repl
{ALIASES if board == "rp2040" else ""}
sysbus LoadELF @{elf}
cpu VectorTableOffset 0x{platform.vector_table:x}
cpu PerformanceInMips 1000
{node_name(platform.uart)} CreateFileBackend @{folder}/{board} true
cpu AddHook 0x{finish:x} "{told}"
emulation SetAdvanceImmediately true
emulation RunFor "0.01"
mach clear
"""


def test_the_same_firmware_takes_the_same_instructions_and_writes_the_same_bytes_in_renode(tmp_path: Path) -> None:
    renode = find_renode()
    if renode is None:
        pytest.skip("Renode is not here: RENODE is not set, and neither PATH nor the cache has it")
    script = tmp_path / "run.resc"
    runs = "".join(a_run(board, tmp_path) for board in BOARDS)
    script.write_text(f"using sysbus\ninclude @{registers_source()}\n{runs}quit\n", "utf-8")
    said = subprocess.run(
        [renode.command, "--disable-xwt", "--console", "--plain", "--config", tmp_path / "config", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        env=renode_environment(),
    ).stdout
    counted = {board: int(count) for board, count in re.findall(r"^(\w+) (\d+)\r?$", said, re.MULTILINE)}
    traces = {board: UnicornEngine().run(job(board, probe(board))) for board in BOARDS}
    assert counted == {board: trace.executions.sum() for board, trace in traces.items()}, said
    for board, trace in traces.items():
        (record,) = trace.records
        assert f'"value": "{record["value"]}"' in (tmp_path / board).read_text("ascii")
    read = re.findall(r"^0x([0-9A-F]+)\r?$", said, re.MULTILINE)
    assert [int(word, 16) for word in read] == [0x301, 0x201, 0x600, 0x1FFFFFF, 0x5, 0x7]
