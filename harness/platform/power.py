"""What a board draws while its core runs, by state; every number with its conditions and source."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.platform.memory_system import Spread


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PowerState(_Strict):
    """One way of running: where code lies, clock, voltage, regulator; `error` says what the range holds."""

    name: str
    code: Literal["flash", "ram"]
    clock_hz: int = Field(gt=0)
    voltage_v: float = Field(gt=0)
    power_mw: Spread
    conditions: str
    error: str
    source: str


class Power(_Strict):
    """The states of a board. The first one of a memory is what runs are priced with; others are there to compare."""

    states: list[PowerState] = Field(min_length=1)

    @model_validator(mode="after")
    def _begins_with_flash(self) -> Self:
        if self.states[0].code != "flash":
            raise ValueError("the first state must be that of code in flash, where the firmware lies")
        if len({state.name for state in self.states}) != len(self.states):
            raise ValueError("two states have one name")
        return self

    def running_from(self, code: Literal["flash", "ram"]) -> PowerState:
        """Return the first state of code that lies in `code`; that of flash where no data sheet tells them apart."""
        return next((state for state in self.states if state.code == code), self.states[0])
