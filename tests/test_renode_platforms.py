"""Renode's descriptions of the boards beside the boards' own files, and in a running Renode where there is one."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from firmware_builds import BOARDS, build, job, probe
from typer.testing import CliRunner

from harness.build import Image
from harness.cli import app
from harness.cost import BoardMemory
from harness.engine import UnicornEngine
from harness.engine.renode.description import describe, node_name, registers_source
from harness.engine.renode.installation import find_renode, renode_environment
from harness.engine.renode.pace import Pace, pace
from harness.pipeline.profile import RegionName, RegionProfile, profile
from harness.platform import Platform, bare_platform, load_platform, platform_names

RENODE_FILES = Path(__file__).resolve().parent.parent / "renode"
PLATFORMS = RENODE_FILES / "platforms"
STACK_OVER_TIME = RENODE_FILES / "hooks" / "stack_over_time.cs"
COUNTING = ("nrf52840", "imxrt1062")
"""Boards of which firmware reads DWT.CYCCNT; one with a single- and one with a dual-issue core."""

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


def test_counters_and_instructions_go_as_fast_as_is_asked_for(board: Platform) -> None:
    nodes = nodes_of(describe(board, Pace(50, 71_000_000)))
    assert nodes["cpu"].settings["PerformanceInMips"] == "50"
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


def a_run(name: str, board: str, elf: Path, description: Path, folder: Path, extra: str = "") -> str:
    """Return monitor commands that run `elf` and say how many instructions it took to its end."""
    platform = load_platform(board)
    finish = Image(elf).symbols["finish"].address
    told = f"import sys; sys.stdout.write('{name} %s\\n' % cpu.ExecutedInstructions); cpu.IsHalted = True"
    return f"""\
mach create "{name}"
machine LoadPlatformDescription @{description}
{extra}
sysbus LoadELF @{elf}
cpu VectorTableOffset 0x{platform.vector_table:x}
{node_name(platform.uart)} CreateFileBackend @{folder}/{name} true
cpu AddHook 0x{finish:x} "{told}"
emulation SetAdvanceImmediately true
emulation RunFor "0.03"
Clear
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where one Renode ran everything and left what UARTs sent; `said` is what it printed."""
    renode = find_renode()
    if renode is None:
        pytest.skip("Renode is not here: RENODE is not set, and neither PATH nor the cache has it")
    folder = tmp_path_factory.mktemp("renode-platforms")
    runs = ""
    for board in BOARDS:
        extra = ALIASES if board == "rp2040" else ""
        runs += a_run(
            board, board, probe(board), PLATFORMS / f"{board}.repl", folder, f"cpu PerformanceInMips 500\n{extra}"
        )
    for board in COUNTING:
        elf, description = build(board, "cyccnt.c"), folder / f"{board}.repl"
        description.write_text(describe(load_platform(board), pace_of(board)), "utf-8")
        series = f"cpu StackOverTime @{folder}/stack-{board}.csv 1000"
        runs += a_run(f"cyccnt-{board}", board, elf, description, folder, series)
    sources = "".join(f"include @{source}\n" for source in (registers_source(), STACK_OVER_TIME))
    (folder / "run.resc").write_text(f"using sysbus\n{sources}{runs}quit\n", "utf-8")
    with (folder / "said").open("wb") as said:
        subprocess.run(
            [
                renode.command,
                "--disable-xwt",
                "--console",
                "--plain",
                "--config",
                folder / "config",
                folder / "run.resc",
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            timeout=300,
            env=renode_environment(),
        )
    return folder


@cache
def my_function(board: str) -> RegionProfile:
    elf = build(board, "cyccnt.c")
    return profile(elf, load_platform(board), RegionName("my_function"), memory_system=BoardMemory())


def pace_of(board: str) -> Pace:
    return pace(load_platform(board).clock_hz, my_function(board).cycles / my_function(board).instructions)


def said_by(folder: Path) -> str:
    return (folder / "said").read_text("utf-8", errors="replace").replace("\r", "")


def test_the_same_firmware_takes_the_same_instructions_and_writes_the_same_bytes_in_renode(folder: Path) -> None:
    counted = {name: int(count) for name, count in re.findall(r"^(\w+) (\d+)$", said_by(folder), re.MULTILINE)}
    traces = {board: UnicornEngine().run(job(board, probe(board))) for board in BOARDS}
    assert counted == {board: trace.executions.sum() for board, trace in traces.items()}, said_by(folder)
    for board, trace in traces.items():
        (record,) = trace.records
        assert f'"value": "{record["value"]}"' in (folder / board).read_text("ascii")


def test_registers_and_their_aliases_do_in_renode_what_they_do_on_the_default_engine(folder: Path) -> None:
    read = re.findall(r"^0x([0-9A-F]+)$", said_by(folder), re.MULTILINE)
    assert [int(word, 16) for word in read] == [0x301, 0x201, 0x600, 0x1FFFFFF, 0x5, 0x7]


@pytest.mark.parametrize("board", COUNTING)
def test_firmware_that_reads_its_cycle_counter_in_renode_sees_the_modelled_cycles(folder: Path, board: str) -> None:
    seen = re.fullmatch(r"elapsed (\d+) cycles\s*", (folder / f"cyccnt-{board}").read_text("ascii"))
    assert seen is not None
    assert int(seen[1]) == pytest.approx(my_function(board).cycles, rel=0.02)
    assert int(seen[1]) != pytest.approx(my_function(board).instructions, rel=0.05)


@pytest.mark.parametrize("board", COUNTING)
def test_the_stack_over_time_reaches_what_the_default_engine_says_of_the_region(folder: Path, board: str) -> None:
    header, *rows = (folder / f"stack-{board}.csv").read_text("ascii").splitlines()
    assert header == "instructions,stack_bytes"
    times, sizes = zip(*(map(int, row.split(",")) for row in rows), strict=True)
    assert len(rows) > 8
    assert all(1000 <= after - before < 1100 for before, after in pairwise(times))
    assert my_function(board).stack_bytes in sizes
    whole = profile(build(board, "cyccnt.c"), load_platform(board))
    assert max(sizes) <= whole.stack_bytes


# Paces -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock_hz", [16_000_000, 64_000_000, 133_000_000, 600_000_000])
@pytest.mark.parametrize("cycles_per_instruction", [0.6, 1.0, 1.4143, 1.7648, 3.3])
def test_a_pace_has_the_cycles_per_instruction_exactly_and_the_time_of_the_board_nearly(
    clock_hz: int, cycles_per_instruction: float
) -> None:
    found = pace(clock_hz, cycles_per_instruction)
    assert found.cycles_per_instruction == pytest.approx(cycles_per_instruction, rel=1e-6)
    wanted = clock_hz / cycles_per_instruction / 1e6
    assert found.mips == pytest.approx(wanted, rel=max(0.02, 0.5 / wanted))
    assert found.resolution_instructions <= found.mips


def test_of_the_near_paces_the_one_with_the_finest_clock_is_taken() -> None:
    assert pace(100_000_000, 1.0).mips == 100
    assert pace(101_000_000, 1.0) == Pace(100, 100_000_000)
    assert pace(101_000_000, 1.0).resolution_instructions == 1


def test_the_command_writes_a_description_whose_counters_follow_the_model_of_a_region(tmp_path: Path) -> None:
    written = tmp_path / "nrf.repl"
    arguments = ["renode", "platform", "nrf52840", "--elf", str(build("nrf52840", "cyccnt.c"))]
    result = CliRunner().invoke(app, [*arguments, "--region", "my_function", "-o", str(written)])
    assert result.exit_code == 0, result.output
    text = written.read_text("utf-8")
    assert text.startswith("// Counters show cycles by pipeline-m4f-1")
    assert nodes_of(text) == nodes_of(describe(load_platform("nrf52840"), pace_of("nrf52840")))
    assert nodes_of(text)["dwt"].settings["frequency"] == str(pace_of("nrf52840").counter_hz)


def test_a_region_without_a_firmware_is_bad_input() -> None:
    result = CliRunner().invoke(app, ["renode", "platform", "nrf52840", "--region", "f"])
    assert "expected --elf" in str(result.exception)
