"""What each instruction of an image is: its class, its memory accesses, its effect on the stack pointer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, CS_MODE_V8, Cs

from harness.build.elf import Image
from harness.errors import EngineError
from harness.trace.trace import Counts, Trace


class Kind(StrEnum):
    """Classes of instructions that a cycle table tells apart."""

    ALU = "alu"
    MUL = "mul"
    MAC = "mac"
    MUL_LONG = "mul_long"
    DIV = "div"
    LOAD = "load"
    STORE = "store"
    LOAD_MULTIPLE = "load_multiple"
    STORE_MULTIPLE = "store_multiple"
    BRANCH = "branch"
    BRANCH_CONDITIONAL = "branch_conditional"
    BRANCH_INDIRECT = "branch_indirect"
    BRANCH_TABLE = "branch_table"
    CALL = "call"
    CALL_INDIRECT = "call_indirect"
    FP_ALU = "fp_alu"
    FP_MUL = "fp_mul"
    FP_MAC = "fp_mac"
    FP_DIV = "fp_div"
    FP_SQRT = "fp_sqrt"
    FP_MOVE = "fp_move"
    FP_CONVERT = "fp_convert"
    FP_LOAD = "fp_load"
    FP_STORE = "fp_store"
    FP_LOAD_MULTIPLE = "fp_load_multiple"
    FP_STORE_MULTIPLE = "fp_store_multiple"
    IT = "it"
    BARRIER = "barrier"
    SYSTEM = "system"


FP_KINDS = frozenset(kind for kind in Kind if kind.value.startswith("fp_"))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CONDITIONS = _words("eq ne hs cs lo cc mi pl vs vc hi ls ge lt gt le")
_LONG = _words("smull umull smlal umlal umaal")
_SYSTEM = _words("nop wfi wfe sev yield svc bkpt udf mrs msr cpsid cpsie clrex dbg pld pldw pli")
_FP_KIND = {
    "vadd": Kind.FP_ALU, "vsub": Kind.FP_ALU, "vabs": Kind.FP_ALU, "vneg": Kind.FP_ALU,
    "vcmp": Kind.FP_ALU, "vcmpe": Kind.FP_ALU, "vmaxnm": Kind.FP_ALU, "vminnm": Kind.FP_ALU, "vsel": Kind.FP_ALU,
    "vmul": Kind.FP_MUL, "vnmul": Kind.FP_MUL, "vdiv": Kind.FP_DIV, "vsqrt": Kind.FP_SQRT,
    "vmla": Kind.FP_MAC, "vmls": Kind.FP_MAC, "vnmla": Kind.FP_MAC, "vnmls": Kind.FP_MAC,
    "vfma": Kind.FP_MAC, "vfms": Kind.FP_MAC, "vfnma": Kind.FP_MAC, "vfnms": Kind.FP_MAC,
    "vmov": Kind.FP_MOVE, "vmrs": Kind.FP_MOVE, "vmsr": Kind.FP_MOVE,
    "vcvt": Kind.FP_CONVERT, "vrint": Kind.FP_CONVERT,
}  # fmt: skip
_ALU = _words(
    "adc adcs add adds addw adr and ands asr asrs bfc bfi bic bics clz cmn cmp eor eors lsl lsls lsr lsrs mov movs "
    "movt movw mvn mvns orn orns orr orrs pkhbt pkhtb qadd qadd16 qadd8 qasx qdadd qdsub qsax qsub qsub16 qsub8 "
    "rbit rev rev16 revsh ror rors rrx rrxs rsb rsbs sadd16 sadd8 sasx sbc sbcs sbfx sel shadd16 shadd8 shasx shsax "
    "shsub16 shsub8 ssat ssat16 ssax ssub16 ssub8 sub subs subw sxtab sxtab16 sxtah sxtb sxtb16 sxth teq tst uadd16 "
    "uadd8 uasx ubfx uhadd16 uhadd8 uhasx uhsax uhsub16 uhsub8 uqadd16 uqadd8 uqasx uqsax uqsub16 uqsub8 usad8 "
    "usada8 usat usat16 usax usub16 usub8 uxtab uxtab16 uxtah uxtb uxtb16 uxth"
)
_REGISTER_LIST = re.compile(r"\{([^}]*)\}")
_BASE = re.compile(r"\[(\w+)")
_LOWERS_SP = re.compile(r"\[sp, #-\w+\]!|\[sp\], #-")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One Thumb instruction.

    `loaded_words` and `stored_words` count data accesses of up to 32 bits: a double or a register list counts one for
    each word. `condition` marks an instruction of an IT block. `lowers_sp` marks every instruction behind which the
    stack pointer may be lower. `aligned_base` names the register whose value must be a multiple of 4 on every core
    (LDM, STM, LDRD, STRD, VLDR, VSTR and exclusives; None if that can be no other).
    """

    address: int
    size_bytes: int
    mnemonic: str
    operands: str
    kind: Kind
    loaded_words: int = 0
    stored_words: int = 0
    condition: bool = False
    writes_pc: bool = False
    is_double: bool = False
    has_register_offset: bool = False
    lowers_sp: bool = False
    aligned_base: str | None = None

    @property
    def end(self) -> int:
        """Return the address behind the instruction."""
        return self.address + self.size_bytes

    def __str__(self) -> str:
        return f"{self.mnemonic} {self.operands}".rstrip()


def branch_target(instruction: Instruction) -> int | None:
    """Return where a direct call or branch goes, None for any other instruction."""
    if instruction.kind not in (Kind.CALL, Kind.BRANCH, Kind.BRANCH_CONDITIONAL):
        return None
    last = instruction.operands.rpartition("#")[2]
    return int(last, 16) & ~1 if last.startswith("0x") else None


class Listing:
    """All instructions of the Thumb code of an image, by address."""

    def __init__(self, image: Image) -> None:
        """Decode on demand; `image` must keep its mapping symbols."""
        self.image = image
        self._decoder = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS | CS_MODE_V8)

    @cached_property
    def instructions(self) -> dict[int, Instruction]:
        """Return every instruction of the code ranges, ascending; words that decode to nothing are left out."""
        return {instruction.address: instruction for instruction in self._sweep()}

    def at(self, address: int) -> Instruction:
        """Return the instruction at `address`.

        Raises EngineError when no instruction begins there.
        """
        try:
            return self.instructions[address]
        except KeyError:
            raise EngineError(f"no instruction begins at {self.image.describe(address)}, 0x{address:08x}") from None

    def block(self, address: int, size_bytes: int) -> list[Instruction]:
        """Return the instructions of the block that begins at `address`.

        Raises EngineError when they do not fill exactly `size_bytes`.
        """
        found = []
        at, end = address, address + size_bytes
        while at < end:
            found.append(self.at(at))
            at = found[-1].end
        if at != end:
            raise EngineError(f"block at 0x{address:08x} has {size_bytes} bytes, its instructions {at - address}")
        return found

    def _sweep(self) -> Iterator[Instruction]:
        for begin, end in self.image.code_ranges:
            code = self.image.read(begin, end - begin)
            offset, conditional = 0, 0
            while offset + 2 <= len(code):
                size = thumb_size(int.from_bytes(code[offset : offset + 2], "little"))
                decoded = next(self._decoder.disasm_lite(code[offset : offset + size], begin + offset, 1), None)
                if decoded is not None and decoded[1] == size:
                    instruction = classify(begin + offset, size, decoded[2], decoded[3], conditional > 0)
                    conditional -= conditional > 0
                    if instruction.kind is Kind.IT:
                        conditional = len(instruction.mnemonic) - 1
                    yield instruction
                else:
                    conditional = 0
                offset += size


def thumb_size(halfword: int) -> int:
    """Return the size in bytes of the instruction that begins with `halfword` (Armv7-M ARM, A5.1)."""
    return 4 if halfword >> 11 in (0b11101, 0b11110, 0b11111) else 2


def classify(address: int, size_bytes: int, mnemonic: str, operands: str, condition: bool) -> Instruction:
    """Return the instruction that Capstone prints as `mnemonic operands`, decoded outside its IT block.

    Raises EngineError when the mnemonic is not known, so that nothing is priced by a guess.
    """
    stem = mnemonic.split(".", 1)[0]
    fields = {"address": address, "size_bytes": size_bytes, "mnemonic": mnemonic, "operands": operands}
    special = _memory(stem, operands) or _branch(stem, operands) or _arithmetic(stem, mnemonic, operands)
    if special is None:
        raise EngineError(f"0x{address:08x}: instruction '{mnemonic} {operands}' is not in any class")
    return Instruction(**fields, condition=condition, **special)  # type: ignore[arg-type]


def _memory(stem: str, operands: str) -> dict[str, object] | None:
    lowers_sp = bool(_LOWERS_SP.search(operands))
    base = _BASE.search(operands)
    base_name = base[1] if base else None
    if stem.startswith(("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")):
        return _multiple(stem, operands)
    if stem in ("vldr", "vstr"):
        words = 2 if operands.startswith("d") else 1
        loads = stem == "vldr"
        return {
            "kind": Kind.FP_LOAD if loads else Kind.FP_STORE,
            "loaded_words": words if loads else 0,
            "stored_words": 0 if loads else words,
            "is_double": words == 2,
            "aligned_base": _checked(base_name),
        }
    if not stem.startswith(("ldr", "str")):
        return None
    is_load = stem.startswith("ldr")
    suffix = stem[3:]
    double = suffix == "d"
    words = 2 if double else 1
    single, multiple = (Kind.LOAD, Kind.LOAD_MULTIPLE) if is_load else (Kind.STORE, Kind.STORE_MULTIPLE)
    return {
        "kind": multiple if double else single,
        "loaded_words": words if is_load else 0,
        "stored_words": 0 if is_load else words,
        "writes_pc": is_load and operands.startswith("pc,"),
        "has_register_offset": re.search(r"\[\w+, [a-z]", operands) is not None,
        "lowers_sp": lowers_sp,
        "aligned_base": _checked(base_name) if double or suffix == "ex" else None,
    }


def _multiple(stem: str, operands: str) -> dict[str, object]:
    listed = _REGISTER_LIST.search(operands)
    registers = [name.strip() for name in listed[1].split(",")] if listed else []
    is_fp = stem.startswith("v")
    double = is_fp and registers[0].startswith("d")
    words = len(registers) * (2 if double else 1)
    loads = "ld" in stem or "pop" in stem
    base = "sp" if "push" in stem or "pop" in stem else operands.split(",", 1)[0].rstrip("!").strip()
    if is_fp:
        kind = Kind.FP_LOAD_MULTIPLE if loads else Kind.FP_STORE_MULTIPLE
    else:
        kind = Kind.LOAD_MULTIPLE if loads else Kind.STORE_MULTIPLE
    return {
        "kind": kind,
        "loaded_words": words if loads else 0,
        "stored_words": 0 if loads else words,
        "writes_pc": loads and "pc" in registers,
        "is_double": double,
        "lowers_sp": "push" in stem or ("db" in stem and operands.startswith("sp!")),
        "aligned_base": _checked(base),
    }


def _checked(base: str | None) -> str | None:
    # The core keeps SP a multiple of 4 and aligns PC for literals.
    return None if base in ("sp", "pc") else base


def _branch(stem: str, operands: str) -> dict[str, object] | None:
    if stem in ("tbb", "tbh"):
        return {"kind": Kind.BRANCH_TABLE, "loaded_words": 1, "writes_pc": True}
    if stem in ("cbz", "cbnz") or (stem[0] == "b" and stem[1:] in _CONDITIONS):
        return {"kind": Kind.BRANCH_CONDITIONAL, "writes_pc": True}
    kinds = {"b": Kind.BRANCH, "bl": Kind.CALL, "bx": Kind.BRANCH_INDIRECT, "blx": Kind.CALL_INDIRECT}
    if stem in kinds:
        return {"kind": kinds[stem], "writes_pc": True}
    if stem in ("mov", "add") and operands.startswith("pc,"):
        return {"kind": Kind.BRANCH_INDIRECT, "writes_pc": True}
    return None


def _arithmetic(stem: str, mnemonic: str, operands: str) -> dict[str, object] | None:
    if stem.startswith("v"):
        name = next((name for name in ("vcvt", "vrint", "vsel") if stem.startswith(name)), stem)
        kind = _FP_KIND.get(name)
        return None if kind is None else {"kind": kind, "is_double": ".f64" in mnemonic}
    if stem in _LONG or stem.startswith(("smlald", "smlsld", "smlalb", "smlalt")):
        return {"kind": Kind.MUL_LONG}
    if stem.startswith(("mla", "mls", "smla", "smls", "smmla", "smmls")):
        return {"kind": Kind.MAC}
    if stem.startswith(("mul", "smul", "smuad", "smusd", "smmul")):
        return {"kind": Kind.MUL}
    if stem in ("sdiv", "udiv"):
        return {"kind": Kind.DIV}
    if re.fullmatch(r"it[te]{0,3}", stem):
        return {"kind": Kind.IT}
    if stem in ("dmb", "dsb", "isb"):
        return {"kind": Kind.BARRIER}
    if stem in _SYSTEM:
        return {"kind": Kind.SYSTEM, "lowers_sp": stem == "msr" and "sp" in operands.split(",", 1)[0]}
    if stem in _ALU:
        raises_sp = stem in ("add", "addw") and "#" in operands and "#-" not in operands
        return {"kind": Kind.ALU, "lowers_sp": operands.startswith("sp,") and not raises_sp}
    return None


def passed(trace: Trace) -> Counts:
    """Return the executions that had an effect, uint64 (n, c): those whose condition did not fail."""
    return trace.executions - trace.skipped


def loads(trace: Trace, listing: Listing) -> int:
    """Return the words that the program loaded (exact; literals and table branches included)."""
    words = np.array([listing.at(int(address)).loaded_words for address in trace.addresses], dtype=np.uint64)
    return int((passed(trace).sum(axis=1) * words).sum())


def stores(trace: Trace, listing: Listing) -> int:
    """Return the words that the program stored (exact)."""
    words = np.array([listing.at(int(address)).stored_words for address in trace.addresses], dtype=np.uint64)
    return int((passed(trace).sum(axis=1) * words).sum())
