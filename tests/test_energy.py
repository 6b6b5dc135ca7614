"""Energy by state, and the page that compares it with published values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from firmware_builds import job, probe
from pydantic import ValidationError
from typer.testing import CliRunner

from harness.build import Image
from harness.cli import app
from harness.cost import active_power_mw, energy, price, ram_share
from harness.cost.published_energy import comparison_table, comparisons, power_table
from harness.engine import UnicornEngine
from harness.platform import Power, load_platform, platform_names

PAGE = Path(__file__).parent.parent / "docs" / "energy.md"


@pytest.mark.parametrize("board", platform_names())
def test_every_state_runs_at_a_voltage_with_a_source_and_the_first_at_the_clock_of_the_board(board):
    platform = load_platform(board)
    for state in platform.power.states:
        assert state.source
        assert state.conditions
        assert 0 < state.power_mw.low < state.power_mw.value < state.power_mw.high
        assert 1.7 <= state.voltage_v <= 3.6
    assert platform.power.states[0].clock_hz == platform.clock_hz


def test_the_range_of_an_energy_is_that_of_the_power():
    platform = load_platform("stm32l4r5zi")
    one = energy(120_000_000, platform)
    power = platform.power.running_from("flash").power_mw
    assert (one.low_mj, one.energy_mj, one.high_mj) == pytest.approx((power.low, power.value, power.high))


def test_code_in_ram_draws_the_power_of_its_own_state():
    platform = load_platform("nrf52840")
    flash, ram = (platform.power.running_from(code).power_mw.value for code in ("flash", "ram"))
    assert ram < flash
    assert active_power_mw(platform, 0.0).value == flash
    assert active_power_mw(platform, 1.0).value == ram
    assert active_power_mw(platform, 0.25).value == pytest.approx(0.75 * flash + 0.25 * ram)
    assert "from RAM" in energy(1e6, platform, 0.9).conditions
    rp2040 = load_platform("rp2040")
    assert active_power_mw(rp2040, 1.0) == active_power_mw(rp2040, 0.0)


def test_the_share_of_code_in_ram_is_that_of_its_cycles():
    platform, image = load_platform("nrf52840"), Image(probe("nrf52840"))
    trace = UnicornEngine().run(job("nrf52840", image.path))
    cycles = price(trace, image, platform)
    in_ram = (trace.addresses >= 0x20000000) & (trace.addresses < 0x20040000)
    expected = cycles.by_address[in_ram].sum() / cycles.by_address.sum()
    assert 0.001 < expected < 0.9
    assert ram_share(trace, cycles, platform) == pytest.approx(expected)
    nothing = cycles.__class__(**{**vars(cycles), "by_address": np.zeros_like(cycles.by_address)})
    assert ram_share(trace, nothing, platform) == 0.0


def test_published_energies_are_time_times_power_and_the_implausible_ones_are_marked():
    marked = {one.published.board for one in comparisons() if one.published.implausible}
    assert marked == {"imxrt1062", "rp2040"}
    for one in comparisons():
        row = one.published
        if row.power_mw is not None:
            assert row.energy_mj == pytest.approx(row.power_mw * row.time_ms / 1e3, rel=0.005)
        assert row.implausible == (row.mean_power_mw < 15)
        assert row.implausible == (row.energy_mj < 0.1 * one.model_mj.low)


def test_the_model_lies_within_ten_percent_of_the_joulescope_where_the_core_was_busy():
    busy = [one for one in comparisons() if one.published.board == "stm32l4r5zi" and one.published.mean_power_mw > 40]
    assert len(busy) == 3
    assert all(abs(one.error) < 0.1 for one in busy)
    assert all(one.model_mj.low < one.published.energy_mj < one.model_mj.high for one in busy)


def test_the_page_holds_what_the_command_prints():
    result = CliRunner().invoke(app, ["energy"])
    assert result.exit_code == 0
    assert result.output.strip() == f"{power_table()}\n\n{comparison_table()}"
    page = PAGE.read_text()
    assert power_table() in page
    assert comparison_table() in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda states: states[:0], "at least 1 item"),
        (lambda states: states[:1] * 2, "two states have one name"),
        (lambda states: states[1:], "the first state must be that of code in flash"),
    ],
)
def test_states_that_make_no_sense_are_refused(change, message):
    states = load_platform("nrf52840").power.model_dump()["states"]
    with pytest.raises(ValidationError, match=message):
        Power.model_validate({"states": change(states)})
