"""Classes of instructions that the first halfword of an opcode tells apart: what Renode's opcode counters see."""

from __future__ import annotations

CLASSES: dict[str, tuple[str, ...]] = {
    "load": (
        "01001xxxxxxxxxxx",  # LDR, literal
        "0101011xxxxxxxxx",  # LDRSB, register
        "01011xxxxxxxxxxx",  # LDR, LDRH, LDRB, LDRSH, register
        "01101xxxxxxxxxxx",  # LDR
        "01111xxxxxxxxxxx",  # LDRB
        "10001xxxxxxxxxxx",  # LDRH
        "10011xxxxxxxxxxx",  # LDR, from SP
        "1111100xxxx1xxxx",  # 32-bit loads of one register, PLD
        "1110110xxxx1xxxx",  # VLDR, VLDM, VPOP
    ),
    "store": (
        "010100xxxxxxxxxx",  # STR, STRH, register
        "0101010xxxxxxxxx",  # STRB, register
        "01100xxxxxxxxxxx",  # STR
        "01110xxxxxxxxxxx",  # STRB
        "10000xxxxxxxxxxx",  # STRH
        "10010xxxxxxxxxxx",  # STR, to SP
        "1111100xxxx0xxxx",  # 32-bit stores of one register
        "1110110xxxx0xxxx",  # VSTR, VSTM, VPUSH
    ),
    "multiple": (
        "1011x10xxxxxxxxx",  # PUSH, POP
        "1100xxxxxxxxxxxx",  # LDM, STM
        "1110100xxxxxxxxx",  # 32-bit LDM, STM, LDRD, STRD, exclusives, TBB, TBH
    ),
    "branch": (
        "1101xxxxxxxxxxxx",  # B<c>, SVC
        "11100xxxxxxxxxxx",  # B
        "01000111xxxxxxxx",  # BX, BLX
        "1011x0x1xxxxxxxx",  # CBZ, CBNZ
        "11110xxxxxxxxxxx",  # BL, B.W, B<c>.W, and data processing with a wide immediate
    ),
    "long": ("111110111xxxxxxx",),  # long multiplication, division
    "float": ("111x1110xxxxxxxx",),  # floating point and transfers between register files
}
"""Patterns of first halfwords (Armv7-M ARM, A5.2 and A5.3); `x` is any bit, and no two have one in common."""

OTHER = "other"
"""All that is in no class: arithmetic, moves, single multiplications, IT, and skipped instructions of IT blocks."""


def patterns() -> tuple[tuple[int, int], ...]:
    """Return opcode and mask of every pattern, class by class."""
    found = (pattern for listed in CLASSES.values() for pattern in listed)
    return tuple((int(p.replace("x", "0"), 2), int(p.replace("0", "1").replace("x", "0"), 2)) for p in found)


def class_of(halfword: int) -> str:
    """Return the class of the instruction that begins with `halfword`."""
    for name, listed in CLASSES.items():
        for pattern in listed:
            if all(bit in ("x", f"{halfword >> 15 - place & 1}") for place, bit in enumerate(pattern)):
                return name
    return OTHER
