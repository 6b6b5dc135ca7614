"""Which registers an instruction may leave with another remainder modulo 4: it decides where alignment is checked."""

from __future__ import annotations

import re

from harness.trace.instruction import Instruction, Kind

_NAMES = {f"r{n}": n for n in range(13)} | {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "lr": 14}
_WORD = re.compile(r"[a-z]+\d*")
_CONSTANT = re.compile(r"#(-?(?:0x[0-9a-f]+|\d+))")
_COMPARISONS = frozenset({"cmp", "cmn", "tst", "teq"})
_SINGLE = frozenset({Kind.LOAD, Kind.STORE, Kind.FP_LOAD, Kind.FP_STORE})
_LISTS = frozenset({Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.FP_LOAD_MULTIPLE, Kind.FP_STORE_MULTIPLE})
_ONE_RESULT = frozenset({Kind.ALU, Kind.MUL, Kind.MAC, Kind.DIV})
_NO_RESULT = frozenset({Kind.BRANCH, Kind.BRANCH_CONDITIONAL, Kind.BRANCH_INDIRECT, Kind.BRANCH_TABLE, Kind.IT})


_COPY, _ZERO = 1 << 24, 2 << 24
_SP = 13
_WALKS = frozenset({"add", "adds", "addw", "sub", "subs", "subw"})
_SHIFT = re.compile(r"lsl #(\d+)")


def alignment_effect(instruction: Instruction) -> int:
    """Return what the instruction does to registers modulo 4, in the encoding of `track_alignment` in block_hook.c.

    Bits 0 to 15: registers whose remainder becomes unknown, rather too many than too few. Or, with bit 24, the register
    of bits 16 to 19 gets the remainder of that of bits 20 to 23; with bit 25, it becomes a multiple of 4.
    """
    parts = [part.strip() for part in instruction.operands.split(",")]
    stem = instruction.mnemonic.split(".", 1)[0]
    if instruction.kind is Kind.ALU and parts[0] in _NAMES:
        source = _aligned_source(stem, parts)
        target = _NAMES[parts[0]] << 16
        if source == _SP:
            return _ZERO | target
        if source is not None:
            return _COPY | target | source << 20
    return moved_registers(instruction)


def _aligned_source(stem: str, parts: list[str]) -> int | None:
    """Return the register that differs from the result by a multiple of 4, SP for none needed, None if unknown."""
    names = _NAMES | {"sp": _SP}
    last = _constant(parts[-1])
    if stem in ("mov", "movs", "movw") and len(parts) == 2:
        return names.get(parts[1]) if last is None else (_SP if last % 4 == 0 else None)
    if stem in ("lsl", "lsls"):
        return _SP if last is not None and last >= 2 else None
    if stem in _WALKS:
        shift = _SHIFT.fullmatch(parts[-1])
        if shift and len(parts) == 4:
            return names.get(parts[1]) if int(shift[1]) >= 2 else None
        if last is not None and last % 4 == 0:
            return names.get(parts[-2])
    return None


def _constant(text: str) -> int | None:
    constant = _CONSTANT.fullmatch(text)
    return int(constant[1], 0) if constant else None


def moved_registers(instruction: Instruction) -> int:
    """Return a bit for each of r0 to r14 whose value modulo 4 the instruction may change; rather too many than too few.

    Adding a multiple of 4 changes nothing, which keeps a pointer that walks over words as aligned as it began.
    """
    operands = instruction.operands
    stem = instruction.mnemonic.split(".", 1)[0]
    if instruction.kind in _NO_RESULT or stem in _COMPARISONS:
        return 0
    if "[" in operands:
        return _of_access(instruction)
    if instruction.kind in _LISTS:
        return _mask(operands.partition("{")[2]) if instruction.loaded_words else 0
    if instruction.kind in _ONE_RESULT:
        parts = [part.strip() for part in operands.split(",")]
        constant = _constant(parts[-1])
        walks = stem in _WALKS and set(parts[:-1]) == {parts[0]}
        return 0 if walks and constant is not None and constant % 4 == 0 else _mask(parts[0])
    return _mask(operands)


def _of_access(instruction: Instruction) -> int:
    before, _, rest = instruction.operands.partition("[")
    address, _, behind = rest.partition("]")
    loads = instruction.loaded_words > 0 or instruction.kind not in (_SINGLE | _LISTS)
    moved = _mask(before) if loads else 0
    if behind.strip():  # writes the base back
        constant = _CONSTANT.search(behind) or _CONSTANT.search(address)
        if constant is None or int(constant[1], 0) % 4:
            moved |= _mask(address)
    return moved


def _mask(text: str) -> int:
    mask = 0
    for word in _WORD.findall(text):
        if word in _NAMES:
            mask |= 1 << _NAMES[word]
    return mask
