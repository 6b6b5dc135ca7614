import subprocess

import numpy as np
import pytest
from firmware_builds import BOARDS, FLAGS, build, job, probe

from harness.build import Image
from harness.cost import Waits, core_model, energy, peak_stack_bytes, price, static_memory, time_ms
from harness.engine import UnicornEngine
from harness.errors import EngineError, InputError
from harness.platform import load_platform
from harness.trace import Context, Trace
from harness.trace.instruction import Listing


@pytest.fixture(scope="module", params=BOARDS)
def priced(request):
    board = request.param
    platform, image = load_platform(board), Image(probe(board))
    trace = UnicornEngine().run(job(board, image.path))
    return trace, image, platform, price(trace, image, platform)


def _assembled(tmp_path, board, code):
    """Return an image of `code`, which stands at address 0, and the addresses of its instructions."""
    source, elf = tmp_path / "code.s", tmp_path / "code.elf"
    source.write_text(f".syntax unified\n.thumb\n.text\n.thumb_func\n.global start\nstart:\n{code}\n")
    subprocess.run(
        ["arm-none-eabi-gcc", *FLAGS[board], "-nostdlib", "-Wl,-Ttext=0,-e,start", "-o", str(elf), str(source)],
        check=True,
    )
    return Image(elf)


def _trace(addresses, executions, taken=None, skipped=None):
    column = lambda values: np.array(values or [0] * len(addresses), dtype=np.uint64)[:, None]  # noqa: E731
    return Trace(
        engine="hand", contexts=(Context("forward", 0),), addresses=np.array(addresses, dtype=np.uint32),
        executions=column(executions), skipped=column(skipped), taken=column(taken),
        stack_low=np.array([0], dtype=np.uint32), stack_registers=np.ones((1, 16), dtype=np.uint32),
        stack_contents=(b"",), records=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("board", "code", "addresses", "executions", "taken", "skipped", "expected"),
    [
        # Arm DDI 0484C table 3.1: SUBS 1, taken branch 2, not taken 1
        ("rp2040", "subs r0, #1\nbne start", [0, 2], [10, 10], [0, 9], None, [10 * 1 + 9 * 2 + 1] * 3),
        # Arm 100166 table 3-1: a taken branch 1 + 1, decided while it is decoded
        ("nrf52840", "subs r0, #1\nbne start", [0, 2], [10, 10], [0, 9], None, [10 * 1 + 9 * 2 + 1] * 3),
        # one more to a 32-bit instruction that does not begin on a word
        ("nrf52840", "nop\n1: subs.w r0, #1\nbne 1b", [0, 2, 6], [1, 9, 9], [0, 0, 8], None, [1 + 9 + 8 * 3 + 1] * 3),
        # CBZ goes to its target one stage later
        ("nrf52840", "cbz r0, 1f\nnop\n1: nop", [0, 2, 4], [9, 1, 9], [8, 0, 0], None, [8 * 3 + 1 + 1 + 9] * 3),
        # a failed condition takes one cycle: IT is folded or not, a division takes 2 to 12 cycles, taken as 7
        ("nrf52840", "it ne\nudivne r0, r1, r2", [0, 2], [4, 4], None, [0, 1], [0 + 6 + 1, 2 + 21 + 1, 4 + 36 + 1]),
        # compendium.i-0.nl, alignment rules: three misaligned 32-bit instructions in a row may take one more cycle
        (
            "nrf52840",
            "nop\n" + "and.w r0, r1, r2\n" * 4,
            [0, 2, 6, 10, 14],
            [10] * 5,
            None,
            None,
            [10 * 5, 10 * 5.5, 10 * 6],
        ),
        # Arm DDI 0337I 3.4.2: an unaligned word is loaded in parts; only what is then taken apart may be one
        (
            "nrf52840",
            "ldr r0, [r1]\nsxtb16 r2, r0\nldr r0, [r3]\nadds r2, r0",
            [0, 2, 6, 8],
            [10] * 4,
            None,
            None,
            [10 * (2 + 1 + 2 + 1)] * 2 + [10 * (4 + 1 + 2 + 1)],
        ),
        # from the second time on the load waits for what the end of the loop adds to its address
        (
            "nrf52840",
            "ldr r1, [r0]\nadds r2, r1\nadds r0, #4\nb start",
            [0, 2, 4, 6],
            [10] * 4,
            [0, 0, 0, 10],
            None,
            [10 * (2 + 1 + 1 + 2)] * 3,
        ),
        # jnk0le, cortex_m7.md: foretold branches cost nothing, a wrong one 8 with its flags set just before
        (
            "imxrt1062",
            "adds r1, #1\nadds r2, #1\nsubs r0, #1\nbne start",
            [0, 2, 4, 6],
            [10] * 4,
            [0, 0, 0, 9],
            None,
            [10 * 2 - 0, 10 * 2 + 8, 10 * 2 + 16],
        ),
    ],
)  # fmt: skip
def test_prices_add_up_by_hand(tmp_path, board, code, addresses, executions, taken, skipped, expected):
    image = _assembled(tmp_path, board, code)
    trace = _trace(addresses, executions, taken, skipped)
    cycles = price(trace, image, load_platform(board))
    low, high = cycles.total_range_cycles
    assert [low, cycles.total_cycles, high] == pytest.approx(expected)


def test_an_estimate_carries_its_model_and_error(priced):
    _, _, platform, cycles = priced
    assert cycles.model == core_model(platform.core).model
    assert "not modelled" in cycles.error.lower()


def test_the_cycles_of_contexts_and_phases_sum_to_the_total(priced):
    trace, _, _, cycles = priced
    assert cycles.by_address.shape == trace.executions.shape
    assert sum(cycles.by_context_cycles.values()) == pytest.approx(cycles.total_cycles)
    assert sum(cycles.by_phase_cycles.values()) == pytest.approx(cycles.total_cycles)
    assert set(cycles.by_phase_cycles) == set(trace.instructions_by_phase())


def test_the_waits_of_a_memory_system_come_on_top(priced):
    trace, image, platform, cycles = priced
    executions = trace.executions.astype(float)

    class OneWaitAFetch:
        def waits(self, trace, listing, platform):
            return Waits("one-wait", "none", 0.5 * executions, executions, 2 * executions)

    slower = price(trace, image, platform, OneWaitAFetch())
    assert slower.total_cycles == pytest.approx(cycles.total_cycles + executions.sum())
    low, high = cycles.total_range_cycles
    assert slower.total_range_cycles == pytest.approx((low + executions.sum() / 2, high + 2 * executions.sum()))
    assert slower.waits.by_address.sum() == executions.sum()
    assert slower.model == f"{cycles.model}, one-wait"


def test_the_estimate_of_every_phase_lies_in_its_range(priced):
    _, _, _, cycles = priced
    assert (cycles.low <= cycles.by_address).all()
    assert (cycles.by_address <= cycles.high).all()
    assert sum(low for low, _ in cycles.by_phase_range_cycles.values()) == pytest.approx(cycles.total_range_cycles[0])
    assert sum(high for _, high in cycles.by_phase_range_cycles.values()) == pytest.approx(cycles.total_range_cycles[1])


def test_cycles_per_instruction_are_plausible(priced):
    trace, _, platform, cycles = priced
    per_instruction = cycles.total_cycles / trace.instructions
    low, high = (0.6, 1.3) if platform.core == "cortex-m7" else (1.1, 2.0)
    assert low < per_instruction < high


def test_straight_code_costs_the_same_a_thousand_times_as_once(tmp_path):
    code = "\n".join(["ldr r0, [r1]", "adds r0, #1", "ldr r2, [r0]", "mul r3, r2, r0", "str r3, [r1]"] * 5)
    for board in ("nrf52840", "imxrt1062"):
        image = _assembled(tmp_path, board, code)
        addresses = [one.address for one in Listing(image).instructions.values()]
        once, often = (
            price(_trace(addresses, [count] * len(addresses)), image, load_platform(board)).total_cycles
            for count in (1, 1000)
        )
        assert often == pytest.approx(1000 * once)


def test_time_and_energy_follow_from_the_clock_and_the_power():
    platform = load_platform("nrf52840")
    assert time_ms(64_000, platform) == pytest.approx(1.0)
    estimate = energy(64_000_000, platform)
    assert estimate.time_ms == pytest.approx(1000.0)
    state = platform.power.running_from("flash")
    assert estimate.energy_mj == pytest.approx(state.power_mw.value)
    assert (estimate.error, estimate.source) == (state.error, state.source)


def test_an_instruction_without_a_timing_is_refused(tmp_path):
    image = _assembled(tmp_path, "nrf52840", "udiv r0, r1, r2")
    with pytest.raises(EngineError, match="pipeline-m0plus-1 has no cycles for 'udiv r0, r1, r2'"):
        price(_trace([0], [1]), image, load_platform("rp2040"))


@pytest.mark.parametrize("board", BOARDS)
def test_static_memory_equals_what_size_prints(board):
    image = Image(probe(board))
    memory = static_memory(image, load_platform(board))
    out = subprocess.run(["arm-none-eabi-size", str(image.path)], check=True, capture_output=True, text=True).stdout
    text, data, bss = (int(field) for field in out.splitlines()[1].split()[:3])
    fast = memory.flash_bytes[".fast"]
    assert memory.data_bytes == data + fast
    assert memory.bss_bytes == bss
    assert memory.total_flash_bytes == text + data
    assert memory.ram_bytes == data + fast + bss


def test_peak_stack_grows_with_the_stack_of_the_firmware():
    depth = []
    for frames in (1, 20):
        elf = build("nrf52840", "faults.c", "-DFAULT=shallow", "-DSTATUS=0", f"-Dshallow()=(void)overflow({frames})")
        trace = UnicornEngine().run(job("nrf52840", elf))
        depth.append(peak_stack_bytes(trace, Image(elf)))
    assert (depth[1] - depth[0]) % 19 == 0
    assert depth[1] - depth[0] >= 19 * 256


def test_peak_stack_needs_the_symbol_of_the_stack_top(tmp_path):
    image = _assembled(tmp_path, "nrf52840", "nop")
    with pytest.raises(InputError, match="expected the symbol '__stack_top'"):
        peak_stack_bytes(_trace([0], [1]), image)
