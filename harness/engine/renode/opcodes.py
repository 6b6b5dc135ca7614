"""Classes of instructions that the first halfword of an opcode tells apart: what Renode's opcode counters see."""

from __future__ import annotations

CLASSES: dict[str, tuple[str, ...]] = {
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
    "long": ("111110111xxxxxxx",),  # long multiplication, division
    "float": ("111x1110xxxxxxxx",),  # floating point and transfers between register files
}
"""Patterns of first halfwords (Armv7-M ARM, A5.2 and A5.3); `x` is any bit, and no two have one in common.

Loads and branches have no class: every counted instruction calls a function in Renode, and they are too many for that.
"""

OTHER = "other"
"""All that is in no class: arithmetic, loads, branches, IT, and skipped instructions of IT blocks."""


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
