"""Time and energy from cycles: milliseconds at the platform's clock, millijoules at its stated power."""

from __future__ import annotations

from dataclasses import dataclass

from harness.platform import Platform


@dataclass(frozen=True)
class Energy:
    """An estimate for one number of cycles. `error` and `source` are those of the platform's power."""

    time_ms: float
    energy_mj: float
    power_mw: float
    conditions: str
    error: str
    source: str


def time_ms(cycles: float, platform: Platform) -> float:
    """Return the milliseconds that `cycles` take at the clock of `platform`."""
    return cycles / platform.clock_hz * 1e3


def energy(cycles: float, platform: Platform) -> Energy:
    """Return time and energy of `cycles`: mJ = s x mW."""
    duration_ms = time_ms(cycles, platform)
    power = platform.power
    return Energy(
        time_ms=duration_ms,
        energy_mj=duration_ms * 1e-3 * power.active_mw,
        power_mw=power.active_mw,
        conditions=power.conditions,
        error=power.error,
        source=power.source,
    )
