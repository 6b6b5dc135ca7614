import re
import subprocess

import pytest
from firmware_builds import BOARDS, probe

from harness.build import Image
from harness.engine.alignment import alignment_effect, moved_registers
from harness.errors import EngineError
from harness.trace import Kind, Listing
from harness.trace.instruction import classify


def _one(mnemonic, operands="", condition=False):
    return classify(0x100, 4, mnemonic, operands, condition)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
def test_every_instruction_of_the_disassembler_is_decoded_with_its_size(board, level):
    image = Image(probe(board, level))
    out = subprocess.run(
        ["arm-none-eabi-objdump", "-d", str(image.path)], check=True, capture_output=True, text=True
    ).stdout
    listing = Listing(image)
    expected = {}
    for address, raw, mnemonic in re.findall(r"^ *([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(\S+)", out, re.MULTILINE):
        if not mnemonic.startswith("."):
            expected[int(address, 16)] = len(raw.replace(" ", "")) // 2
    found = {address: instruction.size_bytes for address, instruction in listing.instructions.items()}
    # The disassembler prints one line for a run of zeros, as they fill the room between functions.
    zeros = {address for address in found if image.read(address, 2) == b"\0\0"}
    assert {a: size for a, size in found.items() if a not in zeros or a in expected} == expected
    assert len(expected) > 500


@pytest.mark.parametrize(
    ("mnemonic", "operands", "kind", "loaded", "stored"),
    [
        ("ldr", "r0, [r1]", Kind.LOAD, 1, 0),
        ("ldrsb.w", "r0, [r1, r2, lsl #1]", Kind.LOAD, 1, 0),
        ("strh", "r0, [r1, #2]", Kind.STORE, 0, 1),
        ("ldrd", "r0, r1, [r2], #8", Kind.LOAD_MULTIPLE, 2, 0),
        ("strd", "r0, r1, [sp, #-0x10]!", Kind.STORE_MULTIPLE, 0, 2),
        ("push.w", "{r4, r5, r6, lr}", Kind.STORE_MULTIPLE, 0, 4),
        ("pop", "{r4, pc}", Kind.LOAD_MULTIPLE, 2, 0),
        ("ldm", "r0!, {r1, r2, r3}", Kind.LOAD_MULTIPLE, 3, 0),
        ("stmdb", "sp!, {r4, r5}", Kind.STORE_MULTIPLE, 0, 2),
        ("vldr", "s0, [r1]", Kind.FP_LOAD, 1, 0),
        ("vldr", "d7, [pc, #0x10]", Kind.FP_LOAD, 2, 0),
        ("vstr", "s0, [r1]", Kind.FP_STORE, 0, 1),
        ("vpush", "{d8, d9}", Kind.FP_STORE_MULTIPLE, 0, 4),
        ("vldmia", "r3!, {s15}", Kind.FP_LOAD_MULTIPLE, 1, 0),
        ("tbb", "[pc, r0]", Kind.BRANCH_TABLE, 1, 0),
        ("bl", "#0x200", Kind.CALL, 0, 0),
        ("bls", "#0x200", Kind.BRANCH_CONDITIONAL, 0, 0),
        ("blt.w", "#0x200", Kind.BRANCH_CONDITIONAL, 0, 0),
        ("bic.w", "r0, r1, #1", Kind.ALU, 0, 0),
        ("bx", "lr", Kind.BRANCH_INDIRECT, 0, 0),
        ("smlad", "r0, r1, r2, r3", Kind.MAC, 0, 0),
        ("mls", "r0, r1, r2, r3", Kind.MAC, 0, 0),
        ("muls", "r0, r1, r0", Kind.MUL, 0, 0),
        ("smlal", "r0, r1, r2, r3", Kind.MUL_LONG, 0, 0),
        ("udiv", "r0, r1, r2", Kind.DIV, 0, 0),
        ("vfma.f32", "s0, s1, s2", Kind.FP_MAC, 0, 0),
        ("vsqrt.f32", "s0, s1", Kind.FP_SQRT, 0, 0),
        ("vcvtr.s32.f32", "s0, s1", Kind.FP_CONVERT, 0, 0),
        ("vmrs", "apsr_nzcv, fpscr", Kind.FP_MOVE, 0, 0),
        ("itte", "ne", Kind.IT, 0, 0),
        ("dsb", "sy", Kind.BARRIER, 0, 0),
        ("nop", "", Kind.SYSTEM, 0, 0),
    ],
)
def test_class_and_accesses(mnemonic, operands, kind, loaded, stored):
    instruction = _one(mnemonic, operands)
    assert (instruction.kind, instruction.loaded_words, instruction.stored_words) == (kind, loaded, stored)


@pytest.mark.parametrize(
    ("mnemonic", "operands", "lowers"),
    [
        ("push", "{r4, lr}", True),
        ("pop", "{r4, pc}", False),
        ("sub", "sp, #0x20", True),
        ("sub.w", "sp, sp, #0x400", True),
        ("add", "sp, #0x20", False),
        ("add", "sp, r4", True),
        ("mov", "sp, r7", True),
        ("stmdb", "sp!, {r4, r5}", True),
        ("stm", "r0!, {r4, r5}", False),
        ("vpush", "{d8}", True),
        ("vpop", "{d8}", False),
        ("str", "lr, [sp, #-4]!", True),
        ("ldr", "pc, [sp], #4", False),
        ("str", "r0, [sp, #4]", False),
        ("msr", "msp, r0", True),
    ],
)
def test_what_lowers_the_stack_pointer_is_known(mnemonic, operands, lowers):
    assert _one(mnemonic, operands).lowers_sp == lowers


@pytest.mark.parametrize(
    ("mnemonic", "operands", "base"),
    [
        ("ldrd", "r0, r1, [r4, #8]", "r4"),
        ("vldr", "s0, [r3, #4]", "r3"),
        ("ldm", "r2!, {r0, r1}", "r2"),
        ("vstmia", "ip!, {s0}", "ip"),
        ("ldrex", "r0, [r1]", "r1"),
        ("push", "{r0}", None),
        ("vldr", "s0, [sp, #4]", None),
        ("vldr", "s0, [pc, #4]", None),
        ("ldr", "r0, [r1]", None),
        ("strh", "r0, [r1]", None),
    ],
)
def test_what_must_be_aligned_is_known(mnemonic, operands, base):
    assert _one(mnemonic, operands).aligned_base == base


@pytest.mark.parametrize(
    ("mnemonic", "operands", "moved"),
    [
        ("adds", "r3, #4", set()),
        ("add.w", "r3, r3, #0x40", set()),
        ("subs", "r3, #8", set()),
        ("adds", "r3, #2", {3}),
        ("add", "r3, r4", {3}),
        ("add.w", "r3, r4, #4", {3}),
        ("mov", "r3, r4", {3}),
        ("cmp", "r3, r4", set()),
        ("vldmia", "r3!, {s0}", set()),
        ("ldm", "r3!, {r0, r1}", {0, 1}),
        ("ldr", "r0, [r3], #4", {0}),
        ("ldrb", "r0, [r3, #1]!", {0, 3}),
        ("ldrb", "r0, [r3], #1", {0, 3}),
        ("str", "r0, [r3]", set()),
        ("strb", "r0, [r3], #1", {3}),
        ("ldrd", "r0, r1, [r3]", {0, 1}),
        ("vmov", "r2, s0", {2}),
        ("smull", "r0, r1, r2, r3", {0, 1, 2, 3}),
        ("bne", "#0x100", set()),
    ],
)
def test_registers_that_may_lose_their_alignment(mnemonic, operands, moved):
    mask = moved_registers(_one(mnemonic, operands))
    assert {n for n in range(16) if mask >> n & 1} == moved


@pytest.mark.parametrize(
    ("mnemonic", "operands", "effect"),
    [
        ("mov", "r3, r4", 1 << 24 | 3 << 16 | 4 << 20),
        ("add.w", "r3, r5, #8", 1 << 24 | 3 << 16 | 5 << 20),
        ("add.w", "r3, r5, #6", 1 << 3),
        ("add.w", "r3, r5, r6, lsl #2", 1 << 24 | 3 << 16 | 5 << 20),
        ("add.w", "r3, r5, r6, lsl #1", 1 << 3),
        ("add", "r3, r5", 1 << 3),
        ("lsls", "r3, r5, #2", 2 << 24 | 3 << 16),
        ("lsls", "r3, r5, #1", 1 << 3),
        ("add", "r3, sp, #0x10", 2 << 24 | 3 << 16),
        ("movs", "r3, #8", 2 << 24 | 3 << 16),
        ("movs", "r3, #9", 1 << 3),
        ("rsb", "r3, r5, #4", 1 << 3),
        ("ldr", "r3, [r5]", 1 << 3),
        ("cmp", "r3, #4", 0),
    ],
)
def test_where_a_register_has_its_alignment_from(mnemonic, operands, effect):
    assert alignment_effect(_one(mnemonic, operands)) == effect


def test_an_unknown_instruction_is_refused_instead_of_guessed():
    with pytest.raises(EngineError, match="'frobnicate r0, r1' is not in any class"):
        _one("frobnicate", "r0, r1")


def test_a_block_that_ends_within_an_instruction_is_refused():
    listing = Listing(Image(probe("nrf52840")))
    wide = next(i for i in listing.instructions.values() if i.size_bytes == 4)
    with pytest.raises(EngineError, match="has 2 bytes, its instructions 4"):
        listing.block(wide.address, 2)
    with pytest.raises(EngineError, match="no instruction begins at"):
        listing.at(wide.address + 2)
