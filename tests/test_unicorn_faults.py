import re
import time

import pytest
from firmware_builds import BOARDS, build, fault, job

from harness.build import Image
from harness.engine import UnicornEngine
from harness.errors import EngineError, FaultError, InputError
from harness.platform import load_platform

ALL = BOARDS
ARMV7 = ("nrf52840", "imxrt1062")
M0 = ("rp2040",)


def _run(board, name, status=0, *flags, timeout_s=20.0):
    return UnicornEngine().run(job(board, fault(board, name, status, *flags), timeout_s=timeout_s))


FAULTS = [
    ("read_unmapped", ALL, "read of an address outside the memory map: 0x80000000"),
    ("write_unmapped", ALL, "write to an address outside the memory map: 0x80000004"),
    ("write_flash", ALL, "write to read-only memory: 0x[0-9a-f]{8}"),
    ("jump_unmapped", ALL, "jump to an address outside the memory map: 0x80000008"),
    ("jump_to_data", ALL, "jump to 0x200000[0-9a-f]{2}, which is no code of the firmware"),
    ("jump_without_thumb", ALL, "invalid state: bl?x r3 to 0x[0-9a-f]{8}, an address without the Thumb bit"),
    ("unaligned_word", M0, r"unaligned access: ldr r\d, \[r\d\]"),
    ("unaligned_halfword", M0, r"unaligned access: strh r\d, \[r\d\]"),
    ("unaligned_multiple", M0, r"unaligned access: ldm r\d!, \{r2, r3\}"),
    (
        "unaligned_multiple",
        ARMV7,
        r"unaligned access: ldm r\d!, \{r2, r3\} with base 0x2000000[159d], expected a multiple",
    ),
    ("unaligned_double", ARMV7, "unaligned access: ldrd .* with base 0x2000000[26ae], expected a multiple of 4"),
    ("unaligned_float", ARMV7, "unaligned access: vldr s0, .* with base 0x2000000[26ae], expected a multiple of 4"),
    ("unaligned_after_a_few_rounds", ARMV7, "unaligned access: ldrd .* with base 0x2000000[26ae]"),
    ("unaligned_after_a_computation", ARMV7, "unaligned access: ldrd .* with base 0x200000[0-9a-f][159d]"),
    ("unaligned_in_it_block", ARMV7, "unaligned access: ldrd r2, r3, .* expected a multiple of 4"),
    ("m4_instruction", M0, "instruction that cortex-m0plus does not have: smuad"),
    ("float_add", M0, "instruction that cortex-m0plus does not have: vadd.f32"),
    ("double_float", M0, "instruction that cortex-m0plus does not have: vadd.f64"),
    ("double_float", ("nrf52840", "stm32l4r5zi"), "instruction that cortex-m4f does not have: vadd.f64"),
    ("sleep", ALL, "the core went to sleep and nothing wakes it"),
    ("supervisor_call", ALL, "supervisor call"),
]


@pytest.mark.parametrize(
    ("board", "name", "message"), [(board, name, text) for name, boards, text in FAULTS for board in boards]
)
def test_a_fault_ends_the_run_with_function_line_phase_and_layer(board, name, message):
    with pytest.raises(FaultError) as caught:
        _run(board, name)
    text = str(caught.value)
    assert re.match(message, text), text
    assert re.search(rf" in {name} \(faults\.c:\d+\), phase backward, layer 2", text), text
    source = (fault(board, name).parent, int(re.search(r"faults\.c:(\d+)", text)[1]))
    lines = (__import__("firmware_builds").SOURCES / "faults.c").read_text().splitlines()
    begin = next(i for i, line in enumerate(lines, 1) if f" {name}(void)" in line)
    assert begin <= source[1] <= begin + 16


@pytest.mark.parametrize("board", ARMV7)
@pytest.mark.parametrize("name", ["unaligned_word", "unaligned_halfword", "m4_instruction", "float_add"])
def test_what_an_armv7_core_can_do_does_not_fault(board, name):
    assert _run(board, name).instructions > 50


def test_double_precision_runs_on_a_core_that_has_it():
    assert _run("imxrt1062", "double_float").instructions > 50


@pytest.mark.parametrize("board", BOARDS)
def test_a_fault_names_the_caller(board):
    with pytest.raises(FaultError, match=r"called from run \(faults\.c:\d+\)$"):
        _run(board, "read_unmapped")


@pytest.mark.parametrize("board", BOARDS)
def test_a_stack_overflow_ends_the_run_before_it_reaches_other_data(board):
    with pytest.raises(
        FaultError, match=r"stack overflow: the stack pointer is 0x2000b[0-9a-f]{3}, \d+ bytes below"
    ) as caught:
        _run(board, "stack_overflow")
    assert "in overflow (faults.c:" in str(caught.value)


@pytest.mark.parametrize("board", BOARDS)
def test_a_stack_that_leaves_ram_is_called_an_overflow_too(board):
    elf = build(board, "faults.c", "-DFAULT=stack_overflow", "-DSTATUS=0", stack="bottom")
    assert Image(elf).symbols["__stack_limit"].address == 0x20000000
    with pytest.raises(FaultError, match=r"stack overflow: .* below __stack_limit in overflow \(faults\.c:\d+\)"):
        UnicornEngine().run(job(board, elf))


@pytest.mark.parametrize("board", ARMV7)
def test_an_fpu_instruction_before_cpacr_allows_it_faults(board):
    with pytest.raises(FaultError, match=r"FPU instruction while CPACR does not allow it: vadd\.f32 .* in float_add"):
        _run(board, "float_add", 0, "-DNO_FPU_ENABLE")


@pytest.mark.parametrize("board", BOARDS)
def test_a_timeout_is_enforced_and_says_where_the_firmware_was(board):
    began = time.monotonic()
    with pytest.raises(
        EngineError, match=r"timeout: not finished after 0\.2 s in endless \(faults\.c:\d+\), phase backward"
    ):
        _run(board, "endless", timeout_s=0.2)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("board", BOARDS)
def test_a_record_that_is_no_json_is_named(board):
    with pytest.raises(EngineError, match=r"record 0 is no JSON: '\{\"event\": oops\}'") as caught:
        _run(board, "bad_record")
    assert not isinstance(caught.value, FaultError)


def test_a_record_without_line_end_is_refused():
    with pytest.raises(EngineError, match=r"the last record has no line end: '\{\"event\": 1\}'"):
        _run("rp2040", "open_record")


def test_a_marker_with_an_unknown_phase_is_refused():
    with pytest.raises(EngineError, match=r"marker\(77, 0\): expected a phase below 9"):
        _run("nrf52840", "bad_marker")


def test_an_exit_status_other_than_zero_is_an_error():
    with pytest.raises(EngineError, match="the firmware ended with status 7 and wrote no record"):
        _run("nrf52840", "nothing", 7)


def test_an_elf_for_another_board_is_refused_before_it_runs():
    elf = fault("nrf52840", "nothing")
    with pytest.raises(InputError, match=r"segment of \d+ bytes at 0x00000000 does not fit rp2040"):
        UnicornEngine().run(job("rp2040", elf))


def test_data_outside_the_memory_map_is_refused():
    elf = fault("nrf52840", "nothing")
    with pytest.raises(InputError, match="data of 4 bytes at 0x2003fffe does not fit nrf52840"):
        UnicornEngine().run(job("nrf52840", elf, writes=((0x2003FFFE, b"1234"),)))


def test_an_elf_without_finish_is_refused(tmp_path):
    elf = fault("nrf52840", "nothing")
    stripped = tmp_path / "stripped.elf"
    data = elf.read_bytes().replace(b"\0finish\0", b"\0finale\0")
    stripped.write_bytes(data)
    with pytest.raises(InputError, match="expected an ELF with symbols and the function 'finish'"):
        UnicornEngine().run(job("nrf52840", stripped))


@pytest.mark.parametrize("board", BOARDS)
def test_samples_can_be_written_by_the_host_and_read_back(board):
    samples = load_platform(board).memory("samples")
    elf = fault(board, "nothing")
    trace = UnicornEngine().run(
        job(board, elf, writes=((samples.origin + 64, b"images"),), reads={"samples": (samples.origin + 64, 6)})
    )
    assert trace.memory == {"samples": b"images"}


def test_code_that_is_not_that_of_the_elf_fails_the_self_check():
    elf = fault("nrf52840", "nothing")
    image = Image(elf)
    last = max(end for _, end in image.code_ranges)
    address = next(a for a in range(last - 2, 0, -2) if image.function_at(a) in {"read_unmapped", "send", "memset"})
    with pytest.raises(EngineError, match="self-check: at the end the code of"):
        UnicornEngine().run(job("nrf52840", elf, writes=((address, b"\x00\xbf"),)))
