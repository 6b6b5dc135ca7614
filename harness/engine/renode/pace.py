"""How fast Renode's virtual time goes, so that cycle counters in the emulated chip show the cycles of a cycle model."""

from __future__ import annotations

import math
from dataclasses import dataclass

_TICKS_PER_MICROSECOND = 1000
"""Virtual time advances in nanoseconds (Renode's TimeInterval)."""

_TIME_TOLERANCE = 0.02


@dataclass(frozen=True)
class Pace:
    """`mips` instructions take a microsecond of virtual time, in which DWT.CYCCNT and SysTick count `counter_hz` / 1e6.

    Their quotient, cycles per instruction, is what matters to firmware that reads a counter; it is exact to a Hertz.
    """

    mips: int
    counter_hz: int

    @property
    def cycles_per_instruction(self) -> float:
        """Return what the counters advance by in one instruction."""
        return self.counter_hz / (self.mips * 1e6)

    @property
    def resolution_instructions(self) -> int:
        """Return after how many instructions virtual time, and so a counter, advances."""
        return self.mips // math.gcd(self.mips, _TICKS_PER_MICROSECOND)


def pace(clock_hz: int, cycles_per_instruction: float) -> Pace:
    """Return the pace of a core at `clock_hz` on which an instruction takes `cycles_per_instruction`.

    Renode takes whole MIPS only, and its clock advances whenever a whole number of instructions fills whole
    nanoseconds. Of the MIPS within 2 % of `clock_hz / cycles_per_instruction / 1e6`, this takes the one whose clock has
    the finest steps, or the nearest when there is none. The counters' frequency makes up for the rest.
    """
    wanted = clock_hz / cycles_per_instruction / 1e6
    low, high = math.ceil(wanted * (1 - _TIME_TOLERANCE)), math.floor(wanted * (1 + _TIME_TOLERANCE))
    near = list(range(max(low, 1), high + 1)) or [max(round(wanted), 1)]
    paces = [Pace(mips, round(mips * 1e6 * cycles_per_instruction)) for mips in near]
    return min(paces, key=lambda one: (one.resolution_instructions, abs(one.mips - wanted)))
