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
        constant = _CONSTANT.fullmatch(parts[-1])
        walks = stem in ("add", "adds", "addw", "sub", "subs", "subw") and set(parts[:-1]) == {parts[0]}
        if walks and constant and int(constant[1], 0) % 4 == 0:
            return 0
        return _mask(parts[0])
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
