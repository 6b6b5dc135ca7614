"""Short sequences against rules that Arm publishes or others measured; each case names the one it stands on."""

import itertools
import random
import subprocess

import pytest

from harness.build import Image
from harness.cost import core_model, core_names
from harness.cost.block import Block
from harness.cost.core import CoreModel
from harness.cost.pipeline import Chance, Pipeline, State
from harness.cost.simulation import Simulation
from harness.errors import EngineError, InputError
from harness.trace.instruction import Kind, Listing

ASSEMBLER = {
    "cortex-m0plus": ["-mcpu=cortex-m0plus"],
    "cortex-m3": ["-mcpu=cortex-m3"],
    "cortex-m4f": ["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
    "cortex-m7": ["-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"],
    "cortex-m33": ["-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"],
}


@pytest.fixture(scope="module")
def instructions(tmp_path_factory):
    """Return a function that assembles code for a core, cached by its text."""
    known = {}

    def assemble(core, code):
        if (core, code) not in known:
            folder = tmp_path_factory.mktemp("code")
            source, elf = folder / "code.s", folder / "code.elf"
            source.write_text(
                f".syntax unified\n.thumb\n.thumb_func\n.global start\nstart:\n{code}\n".replace("; ", "\n")
            )
            subprocess.run(
                ["arm-none-eabi-gcc", *ASSEMBLER[core], "-nostdlib", "-Wl,-Ttext=0,-e,start", "-o", elf, source],
                check=True,
            )
            known[core, code] = list(Listing(Image(elf)).instructions.values())
        return known[core, code]

    return assemble


def cycles(core, instructions, chance=Chance.LUCKY):
    pipeline = Pipeline(core_model(core))
    return sum(pipeline.run([pipeline.operation(one) for one in instructions], State(), chance).cycles)


PUBLISHED = [
    # Arm DDI 0484C table 3.1: data processing 1, MULS 1 or 32, loads and stores 2, lists 1 + N
    ("cortex-m0plus", "adds r0, #1; muls r0, r1; ldr r2, [r3]; str r2, [r3]; push {r4, r5, lr}", 1 + 1 + 2 + 2 + 4),
    # Cortex-M3 instruction set summary: MUL 1, MLA 2, LDM 1 + N
    ("cortex-m3", "mul r0, r1, r2; mla r0, r1, r2, r3; ldm r4!, {r5, r6, r7}", 1 + 2 + 4),
    # Arm DDI 0337I 3.3.3: "LDR R0,[R1]; LDR R1,[R2] normally three cycles total"
    ("cortex-m3", "ldr r0, [r1]; ldr r1, [r2]", 3),
    # the same: "LDR R0,[R1,R2]; STR R1,[R3,R2] normally three cycles total"
    ("cortex-m4f", "ldr r0, [r1, r2]; str r1, [r3, r2]", 3),
    # the same: "LDR R0,[R1,R5]; LDR R1,[R2]; LDR R2,[R3,#4] normally four cycles total"
    ("cortex-m4f", "ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]", 4),
    # the same: not pipelined when the first one loads the address of the second
    ("cortex-m4f", "ldr r0, [r2]; ldr r1, [r0]", 4),
    # the same: an address that data processing just made waits one cycle
    ("cortex-m4f", "adds r0, #4; ldr r1, [r0]", 1 + 1 + 2),
    # jnk0le, cortex_m3m4.md: a store cannot be pipelined with the load behind it
    ("cortex-m4f", "str r0, [r1]; ldr r2, [r3]", 1 + 1 + 2),
    # Arm 100166 table 3-1: LDRD 1 + N
    ("cortex-m4f", "ldrd r0, r1, [r2]; smlad r3, r0, r1, r3; umlal r4, r5, r0, r1", 3 + 1 + 1),
    # GCC cortex-m4-fpu.md: a result is consumed a cycle later, but not as the addend of a multiply-accumulate
    ("cortex-m4f", "vmul.f32 s0, s1, s2; vadd.f32 s0, s0, s3", 1 + 2),
    ("cortex-m4f", "vmul.f32 s0, s1, s2; vfma.f32 s0, s3, s4", 1 + 1),
    # the same: 3 cycles from addend to addend, 14 for a division; integer instructions go on beside it
    ("cortex-m4f", "vfma.f32 s0, s1, s2; vfma.f32 s0, s3, s4; vfma.f32 s0, s5, s6", 1 + 3 + 3),
    ("cortex-m4f", "vdiv.f32 s0, s1, s2; adds r0, #1; adds r0, #1; vadd.f32 s3, s4, s5", 1 + 1 + 1 + 12),
    # jnk0le, cortex_m33.md: load to use 2, a list of N takes N, one taken or not taken branch beside a narrow one
    ("cortex-m33", "ldr r0, [r1]; adds r0, #1", 1 + 2),
    ("cortex-m33", "ldm r0!, {r1, r2, r3, r4}; ldrd r5, r6, [r7]", 4 + 2),
    ("cortex-m33", "1: subs r7, #1; bne 1b", 1),
    ("cortex-m33", "1: subs.w r8, r8, #1; bne 1b", 2),
    # the same: multiply-accumulates chain on the addend, their result is otherwise 2 cycles away
    ("cortex-m33", "mla r0, r1, r2, r0; mla r0, r1, r2, r0; add r3, r0, r1", 1 + 1 + 2),
    # jnk0le, cortex_m7.md: two additions issue together; early results reach the late ALU in the same cycle
    ("cortex-m7", "adds r0, #1; adds r1, #1", 1),
    ("cortex-m7", "add.w r0, r0, #1; eor.w r1, r0, r2", 1),
    ("cortex-m7", "movw r0, #1; movt r0, #2", 1),
    # the same: what only the late ALU computes is there one cycle later, for a shifter or an address two
    ("cortex-m7", "eor.w r0, r0, r1; eor.w r2, r0, r3", 2),
    ("cortex-m7", "eor.w r0, r0, r1; add.w r2, r3, r0, lsl #2", 3),
    ("cortex-m7", "eor.w r0, r0, r1; ldr r2, [r0]", 3),
    # the same: one shifted operand a cycle, one bit field operation, and that only as the older of two
    ("cortex-m7", "add.w r0, r1, r2, lsl #3; add.w r3, r4, r5, lsl #3", 2),
    ("cortex-m7", "uxtb r0, r1; adds r2, #1", 1),
    ("cortex-m7", "adds r2, #1; uxtb r0, r1", 2),
    # the same: a word is there for the late ALU in the next cycle, a byte one later, for the multiplier both 2
    ("cortex-m7", "ldr r0, [r1]; eor.w r0, r0, r2", 2),
    ("cortex-m7", "ldrb r0, [r1]; eor.w r0, r0, r2", 3),
    ("cortex-m7", "ldr r0, [r1]; mul r0, r2, r0", 3),
    # the same: two loads together from different banks only, one store beside a load, never beside a multiplication
    ("cortex-m7", "ldr r0, [r2]; ldr r1, [r2, #4]", 1),
    ("cortex-m7", "ldr r0, [r2]; ldr r1, [r2, #8]", 2),
    ("cortex-m7", "ldr r0, [r2]; str r0, [r3]", 1),
    ("cortex-m7", "str r0, [r3]; mul r0, r1, r2", 2),
    # the same: multiply-accumulates chain on the addend every cycle, another result is 2 cycles away
    ("cortex-m7", "smlad r0, r1, r2, r0; smlad r0, r3, r4, r0; smlad r0, r5, r6, r0", 3),
    ("cortex-m7", "mul r0, r1, r2; add.w r3, r0, r4", 3),
    # the same: lists take half a cycle a register, rounded up, and issue alone
    ("cortex-m7", "adds r0, #1; push {r4, r5, r6, r7, lr}; adds r0, #1", 1 + 3 + 1),
    # the same: 3 cycles from addend to addend, 5 to another operand; a division locks the pipeline for 16
    ("cortex-m7", "vfma.f32 s0, s1, s2; vfma.f32 s0, s3, s4; vfma.f32 s0, s5, s6", 1 + 3 + 3),
    ("cortex-m7", "vfma.f32 s0, s1, s2; vmul.f32 s3, s0, s4", 1 + 5),
    ("cortex-m7", "vdiv.f32 s0, s1, s2; adds r0, #1; adds r1, #1", 16 + 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("core", "code", "expected"), PUBLISHED, ids=[f"{core}: {code}" for core, code, _ in PUBLISHED]
)
def test_a_sequence_takes_what_is_published(instructions, core, code, expected):
    assert cycles(core, instructions(core, code)) == expected


def straight_code(core, seed, length=40):
    """Return random straight code with dependences between few registers."""
    pick = random.Random(seed)
    low = lambda: f"r{pick.randrange(6)}"  # noqa: E731
    forms = [
        lambda: f"adds {low()}, {low()}, {low()}",
        lambda: f"lsls {low()}, {low()}, #{pick.randrange(1, 8)}",
        lambda: f"ldr {low()}, [{low()}, #{4 * pick.randrange(4)}]",
        lambda: f"ldrb {low()}, [{low()}, #{pick.randrange(8)}]",
        lambda: f"str {low()}, [{low()}, #{4 * pick.randrange(4)}]",
        lambda: f"uxtb {low()}, {low()}",
        lambda: "push {r4, r5, r6}",
        lambda: f"nop\nmuls r0, {low()}",
    ]
    if core != "cortex-m0plus":
        forms += [
            lambda: f"mla {low()}, {low()}, {low()}, {low()}",
            lambda: f"add.w {low()}, {low()}, {low()}, asr #3",
            lambda: f"udiv {low()}, {low()}, {low()}",
            lambda: f"ldr {low()}, [r7], #4",
        ]
    if core not in ("cortex-m0plus", "cortex-m3"):
        forms += [
            lambda: f"vfma.f32 s{pick.randrange(3)}, s{pick.randrange(3)}, s4",
            lambda: f"vldr s{pick.randrange(5)}, [r7, #{4 * pick.randrange(4)}]",
            lambda: f"vadd.f32 s{pick.randrange(3)}, s{pick.randrange(3)}, s4",
        ]
    return "\n".join(pick.choice(forms)() for _ in range(length))


def test_a_store_behind_a_load_is_free_as_measured_or_costs_a_cycle_as_published(instructions):
    # jnk0le, cortex_m3m4.md, against Arm DDI 0337I 3.3.3: "LDR R0,[R1,R2]; STR R0,[R3,#20] normally three cycles total"
    found = instructions("cortex-m4f", "ldr r0, [r1, r2]; str r0, [r3, #20]")
    assert [cycles("cortex-m4f", found, chance) for chance in Chance] == [2, 2, 3, 3]


@pytest.mark.parametrize("core", core_names())
@pytest.mark.parametrize("chance", Chance, ids=lambda chance: chance.name.lower())
def test_cutting_a_straight_run_into_blocks_changes_nothing(instructions, core, chance):
    found = instructions(core, straight_code(core, seed=1))
    cuts = [0, 3, 4, 11, 12, 13, 25, len(found)]
    blocks = [
        Block(first, after - 1, number - 1 if number else None, by_branch=False)
        for number, (first, after) in enumerate(itertools.pairwise(cuts))
    ]
    whole = Simulation(core_model(core), found, [Block(0, len(found) - 1, None, by_branch=False)])
    cut = Simulation(core_model(core), found, blocks)
    assert cut.prices(chance).each.sum() == whole.prices(chance).each.sum()


@pytest.mark.parametrize("core", core_names())
def test_one_more_instruction_never_makes_a_run_shorter(instructions, core):
    found = instructions(core, straight_code(core, seed=2))
    totals = [cycles(core, found[:length]) for length in range(len(found) + 1)]
    assert totals == sorted(totals)
    assert len(set(totals)) > len(totals) / 2


@pytest.mark.parametrize("core", core_names())
def test_better_chances_never_take_longer(instructions, core):
    for seed in range(3, 8):
        found = instructions(core, straight_code(core, seed))
        best, lucky, unlucky, worst = (cycles(core, found, chance) for chance in Chance)
        assert best <= lucky <= unlucky <= worst
    assert core == "cortex-m0plus" or best < worst


@pytest.mark.parametrize("core", ["cortex-m4f", "cortex-m7", "cortex-m33"])
def test_the_cores_with_an_fpu_have_a_timing_for_every_class(core):
    kinds = {kind for timing in core_model(core).timings for kind in timing.match.kinds}
    assert kinds == set(Kind)


def test_an_instruction_without_a_timing_is_refused(instructions):
    (divide,) = instructions("cortex-m3", "udiv r0, r1, r2")
    with pytest.raises(EngineError, match="pipeline-m0plus-1 has no cycles for 'udiv r0, r1, r2'"):
        Pipeline(core_model("cortex-m0plus")).operation(divide)


def test_a_timing_with_an_unknown_source_is_refused():
    fields = core_model("cortex-m0plus").model_dump()
    fields["timings"][0]["source"] = ["hearsay"]
    with pytest.raises(ValueError, match="'hearsay' is not in sources"):
        CoreModel.model_validate(fields)


def test_a_timing_that_hides_behind_an_unknown_one_is_refused():
    fields = core_model("cortex-m4f").model_dump()
    timing = next(timing for timing in fields["timings"] if timing["hidden"])
    timing["hidden"]["before"] = ["lode"]
    with pytest.raises(ValueError, match="there is no timing 'lode'"):
        CoreModel.model_validate(fields)


def test_an_unknown_core_is_refused_with_the_nearest_one():
    with pytest.raises(InputError, match=r"no cycle model of 'cortex-m4': .*cortex-m4f"):
        core_model("cortex-m4")
