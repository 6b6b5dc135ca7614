"""Time and energy from cycles: milliseconds at the platform's clock, millijoules at the power of its state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.cost.cycles import Cycles
from harness.platform import Platform, PowerState, Spread
from harness.trace.trace import Trace


@dataclass(frozen=True)
class Energy:
    """An estimate for one number of cycles; `low_mj..high_mj` is the range of the power alone.

    `error`, `conditions` and `source` are those of the state in which most of the cycles are spent.
    """

    time_ms: float
    energy_mj: float
    low_mj: float
    high_mj: float
    power_mw: float
    conditions: str
    error: str
    source: str


def time_ms(cycles: float, platform: Platform) -> float:
    """Return the milliseconds that `cycles` take at the clock of `platform`."""
    return cycles / platform.clock_hz * 1e3


def energy(cycles: float, platform: Platform, ram_share: float = 0.0) -> Energy:
    """Return time and energy of `cycles`, of which `ram_share` run code that lies in RAM: mJ = s x mW."""
    duration_ms = time_ms(cycles, platform)
    power = active_power_mw(platform, ram_share)
    state = main_state(platform, ram_share)
    return Energy(
        time_ms=duration_ms,
        energy_mj=duration_ms * 1e-3 * power.value,
        low_mj=duration_ms * 1e-3 * power.low,
        high_mj=duration_ms * 1e-3 * power.high,
        power_mw=power.value,
        conditions=state.conditions,
        error=state.error,
        source=state.source,
    )


def active_power_mw(platform: Platform, ram_share: float = 0.0) -> Spread:
    """Return the mean power of code of which `ram_share` of the time runs from RAM."""
    flash, ram = platform.power.running_from("flash").power_mw, platform.power.running_from("ram").power_mw

    def mean(bound: str) -> float:
        return (1 - ram_share) * float(getattr(flash, bound)) + ram_share * float(getattr(ram, bound))

    return Spread(low=mean("low"), value=mean("value"), high=mean("high"))


def main_state(platform: Platform, ram_share: float = 0.0) -> PowerState:
    """Return the state in which the longer part of the time is spent."""
    return platform.power.running_from("ram" if ram_share > 0.5 else "flash")


def ram_share(trace: Trace, cycles: Cycles, platform: Platform) -> float:
    """Return the share of `cycles` whose instructions lie in RAM, from 0 to 1; 0 where no address is known."""
    if trace.classes:
        return 0.0
    in_ram = np.zeros(len(trace.addresses), dtype=np.bool_)
    for memory in platform.memories:
        if memory.kind == "ram":
            in_ram |= (trace.addresses >= memory.origin) & (trace.addresses < memory.origin + memory.size_bytes)
    return float(cycles.by_address[in_ram].sum() / cycles.by_address.sum()) if cycles.by_address.any() else 0.0
