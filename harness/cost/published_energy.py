"""Published energies of training steps beside what the power of the board's file says for the published time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from harness.cost.energy import active_power_mw
from harness.platform import Spread, load_platform, platform_names

_FILE = Path(__file__).with_name("published_energy.yaml")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(_Strict):
    """One published energy; `implausible` marks values that no board of its kind can reach."""

    board: str
    what: str
    time_ms: float = Field(gt=0)
    power_mw: float | None = None
    energy_mj: float = Field(gt=0)
    source: str
    implausible: bool = False

    @property
    def mean_power_mw(self) -> float:
        """Return the power as printed, or else energy over time."""
        return self.power_mw if self.power_mw is not None else self.energy_mj / self.time_ms * 1e3


class _Table(_Strict):
    sources: dict[str, str]
    rows: list[Published]


@dataclass(frozen=True)
class Comparison:
    """A published energy beside the model's for the same time: published time x power of the board's file."""

    published: Published
    source: str
    model_mj: Spread

    @property
    def error(self) -> float:
        """Return (model - published) / published."""
        return self.model_mj.value / self.published.energy_mj - 1


@cache
def comparisons() -> tuple[Comparison, ...]:
    """Return every published energy beside the model's."""
    table = _Table.model_validate(yaml.safe_load(_FILE.read_text()))
    compared = []
    for row in table.rows:
        power = active_power_mw(load_platform(row.board))
        seconds = row.time_ms / 1e3
        model = Spread(low=power.low * seconds, value=power.value * seconds, high=power.high * seconds)
        compared.append(Comparison(row, table.sources[row.source], model))
    return tuple(compared)


def comparison_table() -> str:
    """Return the comparison as a Markdown table; implausible values are marked and have no error."""
    lines = [
        "| board | what | time | published | mean power | model (range) | model - published |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in comparisons():
        row, model = one.published, one.model_mj
        printed = f"{row.energy_mj:.2f} mJ" + (" (implausible)" if row.implausible else "")
        error = "nothing compared" if row.implausible else f"{one.error:+.0%}"
        lines.append(
            f"| {row.board} | {row.what} | {row.time_ms:.2f} ms | {printed} | {row.mean_power_mw:.1f} mW | "
            f"{model.value:.2f} mJ ({model.low:.2f}-{model.high:.2f}) | {error} |"
        )
    return "\n".join(lines)


def power_table() -> str:
    """Return the states of all boards as a Markdown table."""
    lines = ["| board | state | power (range) | conditions | source |", "|---|---|---|---|---|"]
    for name in platform_names():
        for state in load_platform(name).power.states:
            power = state.power_mw
            lines.append(
                f"| {name} | {state.name} | {power.value:g} mW ({power.low:g}-{power.high:g}) | {state.conditions} | "
                f"{state.source} |"
            )
    return "\n".join(lines)
