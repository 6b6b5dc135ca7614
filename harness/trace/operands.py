"""Which registers an instruction reads and writes, and what it needs each of them for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from harness.trace.instruction import Instruction, Kind

FLAGS = "apsr"
FP_FLAGS = "fpscr"


class Role(StrEnum):
    """What an instruction needs a register for; pipelines read some operands earlier than others."""

    DATA = "data"
    ADDRESS = "address"
    SHIFTED = "shifted"
    MULTIPLICAND = "multiplicand"
    ACCUMULATOR = "accumulator"
    STORED = "stored"
    FLAGS = "flags"


class Form(StrEnum):
    """Traits of an instruction that its class does not tell."""

    SHIFTED_REGISTER = "shifted-register"
    SHIFTED_CONSTANT = "shifted-constant"
    REGISTER_OFFSET = "register-offset"
    BASE_UPDATE = "base-update"
    LITERAL = "literal"
    DOUBLE = "double"
    WRITES_PC = "writes-pc"
    SETS_FLAGS = "sets-flags"
    NARROW = "narrow"
    LINK = "link"
    TO_CORE = "to-core"
    TWO_REGISTERS = "two-registers"


@dataclass(frozen=True, slots=True)
class Operands:
    """The operands of one instruction.

    `reads` pairs registers with roles; `writes` are results, `updates` base registers that the access changes. Doubles
    count as their two single registers. `base` and `offset` give the address of an access with a constant offset.
    """

    reads: tuple[tuple[str, Role], ...]
    writes: tuple[str, ...]
    updates: tuple[str, ...]
    forms: frozenset[Form]
    base: str | None = None
    offset: int | None = None


_CORE = re.compile(r"^(r\d+|sb|sl|fp|ip|sp|lr|pc)$")
_FP = re.compile(r"^([sd])(\d+)$")
_SHIFT = re.compile(r"^(lsl|lsr|asr|ror|rrx)\b")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNARY = _words(
    "mov movs mvn mvns movw sxtb sxth uxtb uxth sxtb16 uxtb16 rev rev16 revsh rbit clz adr ubfx sbfx rrx rrxs mrs ssat "
    "usat ssat16 usat16"
)
_COMPARES = _words("cmp cmn tst teq")
_READS_DESTINATION = _words("movt bfi bfc")
_READS_CARRY = _words("adc adcs sbc sbcs rrx rrxs sel")
_FLAG_SETTERS = _words("adcs adds ands asrs bics eors lsls lsrs movs muls mvns orns orrs rors rrxs rsbs sbcs subs")
_FIRST_SHIFTED = _words("ubfx sbfx rev rev16 revsh rbit ssat usat ssat16 usat16")
_LAST_SHIFTED = _words("sxtab sxtab16 sxtah uxtab uxtab16 uxtah pkhbt pkhtb bfi sxtb16 uxtb16 qdadd qdsub")
_MULTIPLIES = frozenset({Kind.MUL, Kind.MAC, Kind.MUL_LONG, Kind.FP_MUL, Kind.FP_MAC})
_STORES = frozenset({Kind.STORE, Kind.STORE_MULTIPLE, Kind.FP_STORE, Kind.FP_STORE_MULTIPLE})
_ACCESSES = _STORES | {Kind.LOAD, Kind.LOAD_MULTIPLE, Kind.FP_LOAD, Kind.FP_LOAD_MULTIPLE}
_BRANCHES = frozenset(
    {
        Kind.BRANCH,
        Kind.BRANCH_CONDITIONAL,
        Kind.BRANCH_INDIRECT,
        Kind.BRANCH_TABLE,
        Kind.CALL,
        Kind.CALL_INDIRECT,
    }
)


@lru_cache(maxsize=1 << 15)
def operands_of(instruction: Instruction) -> Operands:
    """Return the operands of `instruction` from its text (Armv7-M ARM, A7.7, for the order of operands)."""
    stem = instruction.mnemonic.split(".", 1)[0]
    if instruction.kind in _ACCESSES:
        found = _access(stem, instruction)
    elif instruction.kind in _BRANCHES:
        found = _branch(stem, instruction)
    else:
        found = _data(stem, instruction)
    reads, writes, forms = list(found.reads), found.writes, set(found.forms)
    if instruction.condition and instruction.size_bytes == 2 and stem not in _COMPARES:
        # Inside an IT block the short encodings leave the flags alone (Armv7-M ARM, A7.3.2).
        writes = tuple(register for register in writes if register != FLAGS)
        forms.discard(Form.SETS_FLAGS)
    if instruction.condition:
        reads.append((FLAGS, Role.FLAGS))
        # A result that may not be written depends on what it would overwrite.
        reads += [(register, Role.DATA) for register in writes if instruction.kind not in _ACCESSES]
    if instruction.size_bytes == 2:
        forms.add(Form.NARROW)
    if instruction.is_double:
        forms.add(Form.DOUBLE)
    if instruction.writes_pc:
        forms.add(Form.WRITES_PC)
    return Operands(tuple(dict.fromkeys(reads)), writes, found.updates, frozenset(forms), found.base, found.offset)


def branch_target(instruction: Instruction) -> int | None:
    """Return the address that a direct branch goes to, or None."""
    if instruction.kind not in (Kind.BRANCH, Kind.BRANCH_CONDITIONAL, Kind.CALL):
        return None
    last = instruction.operands.rsplit("#", 1)
    return int(last[1], 0) if len(last) == 2 else None


def _registers(text: str) -> list[str]:
    """Return the registers that `text` names: a double as its two halves, a range expanded."""
    found: list[str] = []
    for part in text.replace("{", "").replace("}", "").split(","):
        first, _, last = part.strip().rstrip("!").partition("-")
        for name in _span(first.strip(), last.strip()):
            if _CORE.match(name):
                found.append(name)
            elif match := _FP.match(name):
                number = int(match[2])
                found += [f"s{2 * number}", f"s{2 * number + 1}"] if match[1] == "d" else [name]
    return found


def _span(first: str, last: str) -> list[str]:
    begin, end = re.match(r"^([a-z])(\d+)$", first), re.match(r"^([a-z])(\d+)$", last)
    if not begin or not end:
        return [first]
    return [f"{begin[1]}{number}" for number in range(int(begin[2]), int(end[2]) + 1)]


def _access(stem: str, instruction: Instruction) -> Operands:
    text = instruction.operands
    stores = instruction.kind in _STORES
    if "[" not in text:
        return _multiple(stem, text, stores)
    before, _, rest = text.partition("[")
    inside, _, after = rest.partition("]")
    parts = [part.strip() for part in inside.split(",")]
    base = parts[0]
    index = [part for part in parts[1:] if _CORE.match(part)]
    data = _registers(before)
    status: list[str] = []
    if stem.startswith("strex"):
        status, data = data[:1], data[1:]
    reads = [(register, Role.ADDRESS) for register in [base, *index] if register != "pc"]
    forms: set[Form] = set()
    updates: tuple[str, ...] = ()
    if index:
        forms.add(Form.REGISTER_OFFSET)
    if after.startswith("!") or "#" in after:
        forms.add(Form.BASE_UPDATE)
        updates = (base,)
    if base == "pc":
        forms.add(Form.LITERAL)
    offset: int | None = None
    if not index:
        number = next((part[1:] for part in parts[1:] if part.startswith("#")), "0")
        offset = int(number, 0)
    if stores:
        reads += [(register, Role.STORED) for register in data]
    writes = tuple(status) if stores else tuple(data)
    return Operands(tuple(reads), writes, updates, frozenset(forms), base, offset)


def _multiple(stem: str, text: str, stores: bool) -> Operands:
    listed = _registers(text[text.index("{") :])
    stack = "push" in stem or "pop" in stem
    head = "sp!" if stack else text.split(",", 1)[0].strip()
    base = head.rstrip("!")
    updates = (base,) if head.endswith("!") else ()
    reads = [(base, Role.ADDRESS)]
    if stores:
        reads += [(register, Role.STORED) for register in listed]
    forms = frozenset({Form.BASE_UPDATE} if updates else ())
    return Operands(tuple(reads), () if stores else tuple(listed), updates, forms, base, None)


def _branch(stem: str, instruction: Instruction) -> Operands:
    if instruction.kind is Kind.BRANCH_TABLE:
        inside = instruction.operands.strip("[]").split(",")
        return Operands(
            tuple((name.strip(), Role.ADDRESS) for name in inside if _CORE.match(name.strip()) and name != "pc"),
            (),
            (),
            frozenset(),
        )
    registers = [name for name in _registers(instruction.operands.replace("#", ",#")) if name != "pc"]
    reads = [(name, Role.ADDRESS if name == "lr" else Role.DATA) for name in registers]
    if instruction.kind is Kind.BRANCH_CONDITIONAL and stem not in ("cbz", "cbnz"):
        reads.append((FLAGS, Role.FLAGS))
    linked = ("lr",) if instruction.kind in (Kind.CALL, Kind.CALL_INDIRECT) else ()
    forms = frozenset({Form.LINK}) if registers == ["lr"] else frozenset()
    return Operands(tuple(reads), linked, (), forms)


def _data(stem: str, instruction: Instruction) -> Operands:
    kind, text = instruction.kind, instruction.operands
    if kind in (Kind.IT, Kind.BARRIER):
        return Operands((), (), (), frozenset())
    parts = [part.strip() for part in text.split(",")]
    named = [(part, _registers(part)) for part in parts]
    shift = next((number for number, part in enumerate(parts) if _SHIFT.match(part)), None)
    forms: set[Form] = set()
    if stem.startswith("v"):
        return _floating(stem, instruction, [registers for _, registers in named if registers])
    registers = [name for _, names in named for name in names]
    if shift is not None:
        # `lsl r3` inside an operand names the register that holds the amount.
        registers += _registers(parts[shift].partition(" ")[2])
        forms.add(Form.SHIFTED_REGISTER)
    if _has_shifted_constant(stem, parts):
        forms.add(Form.SHIFTED_CONSTANT)
    writes, sources = _destinations(stem, kind, registers, len(parts) - (shift is not None))
    reads = _roles(stem, kind, sources, shift is not None)
    if stem in _READS_CARRY:
        reads.append((FLAGS, Role.FLAGS))
    flags = stem in _FLAG_SETTERS or stem in _COMPARES
    if flags:
        forms.add(Form.SETS_FLAGS)
    return Operands(tuple(reads), tuple(writes) + ((FLAGS,) if flags else ()), (), frozenset(forms))


def _destinations(stem: str, kind: Kind, registers: list[str], count: int) -> tuple[list[str], list[str]]:
    """Return the results and the sources; with two operands, `adds r0, r1`, the first is both."""
    if stem in _COMPARES or stem in ("msr", "vmsr") or (kind is Kind.SYSTEM and stem != "mrs"):
        return [], registers
    if kind is Kind.MUL_LONG:
        accumulates = "mla" in stem or "mls" in stem or stem == "umaal"
        return registers[:2], registers[2:] + (registers[:2] if accumulates else [])
    if not registers:
        return [], []
    if stem in _UNARY or (count > 2 and stem not in _READS_DESTINATION):
        return registers[:1], registers[1:]
    return registers[:1], registers


def _roles(stem: str, kind: Kind, sources: list[str], shifted: bool) -> list[tuple[str, Role]]:
    if kind is Kind.MAC:
        return [(name, Role.ACCUMULATOR if number == 2 else Role.MULTIPLICAND) for number, name in enumerate(sources)]
    if kind is Kind.MUL_LONG:
        return [(name, Role.ACCUMULATOR if number >= 2 else Role.MULTIPLICAND) for number, name in enumerate(sources)]
    if kind is Kind.MUL:
        return [(name, Role.MULTIPLICAND) for name in sources]
    if stem in _FIRST_SHIFTED:
        return [(name, Role.SHIFTED) for name in sources]
    if sources and (stem in _LAST_SHIFTED or shifted):
        # With a shift by register, the amount is the last source and the shifted register the one before it.
        return [(name, Role.DATA) for name in sources[:-1]] + [(sources[-1], Role.SHIFTED)]
    return [(name, Role.DATA) for name in sources]


def _floating(stem: str, instruction: Instruction, groups: list[list[str]]) -> Operands:
    kind = instruction.kind
    if stem in ("vmrs", "vmsr"):
        if stem == "vmsr":
            return Operands(
                tuple((name, Role.DATA) for group in groups for name in group), (FP_FLAGS,), (), frozenset()
            )
        written = tuple(name for group in groups for name in group if name != "pc")
        return Operands(((FP_FLAGS, Role.DATA),), written or (FLAGS,), (), frozenset({Form.TO_CORE}))
    flat = [name for group in groups for name in group]
    if stem in ("vcmp", "vcmpe"):
        return Operands(tuple((name, Role.DATA) for name in flat), (FP_FLAGS,), (), frozenset())
    if kind is Kind.FP_MOVE and len(groups) >= 3:
        half = len(flat) // 2
        writes, sources = flat[:half], flat[half:]
    else:
        writes, sources = groups[0] if groups else [], [name for group in groups[1:] for name in group]
    forms = set()
    if any(_CORE.match(name) for name in writes):
        forms.add(Form.TO_CORE)
    if kind is Kind.FP_MOVE and len(flat) >= 4:
        forms.add(Form.TWO_REGISTERS)
    role = Role.MULTIPLICAND if kind in _MULTIPLIES else Role.DATA
    reads = [(name, role) for name in sources]
    if kind is Kind.FP_MAC:
        reads += [(name, Role.ACCUMULATOR) for name in writes]
    if stem.startswith("vsel"):
        reads.append((FLAGS, Role.FLAGS))
    return Operands(tuple(reads), tuple(writes), (), frozenset(forms))


def _has_shifted_constant(stem: str, parts: list[str]) -> bool:
    """Say whether the constant is an 8-bit value shifted to its place, not plain or repeated (Armv7-M ARM, A5.3.2)."""
    if stem in ("movw", "movt", "addw", "subw", "adr") or not parts[-1].startswith("#"):
        return False
    try:
        value = int(parts[-1][1:], 0) & 0xFFFFFFFF
    except ValueError:
        return False
    if value < 256 or (stem in ("add", "sub") and value < 4096):
        return False
    low, high = value & 0xFF, value >> 8 & 0xFF
    return value not in (low * 0x00010001, high * 0x01000100, low * 0x01010101)
