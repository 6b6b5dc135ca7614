"""The table in the terminal and as plain text."""

import io
import re

import pytest
from rich.console import Console
from synthetic_results import document, failed, seeded, settings, suite

from harness.report import print_table, table_text
from harness.report.notation import error_figures, ranged, ranged_duration, ranged_prefixed
from harness.report.suite import Suite


def row_of(text, *words):
    (row,) = [line for line in text.splitlines() if line.split()[: len(words)] == list(words)]
    return row


def test_only_what_varies_gets_a_column():
    assert Suite(suite()).varying == ("dtype", "update_min_ratio", "platform")
    one_platform = [document("uint8"), document("float32")]
    assert Suite(one_platform).varying == ("dtype",)
    assert "platform nrf52840" in " ".join(table_text(one_platform).split())


def test_what_a_data_set_implies_gets_no_column_of_its_own():
    larger = settings(dataset="fashion-mnist")
    larger["dataset"]["train"] = 10_000
    assert Suite([document(), document(settings=larger)]).varying == ("dataset",)


def test_a_setting_that_varies_by_itself_gets_a_column():
    longer = settings()
    longer["training"]["epochs"] = 9
    assert Suite([document(), document(settings=longer)]).varying == ("epochs",)


def test_a_row_shows_the_results_of_its_run():
    one = document("float32", 0.5, "rp2040")
    row = row_of(table_text([one, *suite()[:3]]), "float32", "0.5", "rp2040")
    assert f"{one.accuracy.test * 100:.1f} %" in row
    assert f"{one.counts.instructions_per_step:,.0f}" in row
    time = one.estimates.time_ms_per_step
    assert f"≈ {time.value:.1f} ({time.low:.1f}-{time.high:.1f})" in row
    assert f"≈ {one.estimates.energy_mj_per_step.value:.2f}" in row
    assert f"{one.memory.ram_bytes / 1024:.1f} KiB (79 %)" in row
    assert f"{one.memory.flash_bytes / 1024:.1f} KiB" in row
    assert "592 B" in row


def test_the_legend_names_each_model_with_its_error():
    text = " ".join(table_text(suite()).split())
    assert "exact: accuracy, instructions, RAM" in text
    for words in ("cortex-m4f-table (±15 %)", "cortex-m7-table (±30 %)", "cortex-m4f-table, 26.7 mW (±15 % and ±40 %)"):
        assert words in text


def test_a_failed_run_is_one_row_and_its_reason_is_told():
    text = table_text(suite())
    assert "failed [1]" in row_of(text, "mixed", "1", "rp2040")
    assert "[1] mixed, 1.0, rp2040: RAM budget exceeded by 1,204 bytes: gradients take 13,600" in text


def test_a_table_of_failed_runs_only_still_tells_why():
    assert "RAM budget exceeded" in table_text([failed(), failed(platform="imxrt1062")])


def test_runs_on_a_front_are_marked_with_its_letter():
    cheap, good = document("uint8", 0.1, "imxrt1062"), document("float32", 1.0, "imxrt1062")
    beaten = document("uint8", 0.1, "rp2040")
    text = table_text([cheap, good, beaten])
    assert row_of(text, "uint8", "0.1", "imxrt1062").endswith("t e r")
    assert row_of(text, "float32", "1", "imxrt1062").endswith("t e r")
    assert row_of(text, "uint8", "0.1", "rp2040").endswith(" r")


def test_data_sets_do_not_compete_for_a_front():
    easy = document("float32", 1.0, "imxrt1062", "digits")
    hard = document("uint8", 0.1, "rp2040", "fashion-mnist")
    assert Suite([easy, hard]).fronts["time_ms_per_step"] == {0, 1}


def test_runs_that_differ_only_in_their_seed_are_one_row_with_mean_and_deviation():
    text = table_text([*seeded((0.93, 0.95, 0.97)), *seeded((0.9, 0.9, 0.9), dtype="float32")])
    assert "95.00 ± 2.00 %" in row_of(text, "uint8", "3")
    assert "90.00 % " in row_of(text, "float32", "3")
    assert "a row is the mean over runs that differ only in training.seed" in " ".join(text.split())


def test_the_seeds_of_one_scenario_are_one_row_named_after_it():
    assert "95.00 ± 2.00 %" in row_of(table_text(seeded((0.93, 0.95, 0.97))), "quickstart", "3")


def test_a_failed_seed_is_told_beside_those_that_were_finished():
    runs = seeded((0.93, 0.95))
    broken = runs[1].model_copy(update={"status": "failed", "reason": "it broke"})
    text = table_text([runs[0], broken, *seeded((0.9, 0.9), dtype="float32")])
    assert "93.0 %" in row_of(text, "uint8", "1", "of", "2", "[1]")
    assert "it broke" in text


def test_runs_that_share_no_settings_but_their_seed_stay_rows_of_their_own():
    one, two = seeded((0.93, 0.95))
    other = two.model_copy(update={"settings": two.settings | {"platform": "rp2040"}})
    assert Suite([one, other]).has_seeds is False
    assert "93.0 %" in table_text([one, other])


def test_seeds_stand_on_a_front_together_by_their_mean():
    good, lucky = seeded((0.94, 0.94)), seeded((0.99, 0.8), dtype="float32")
    assert Suite([*good, *lucky]).fronts["time_ms_per_step"] == {0, 1}


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_no_line_is_wider_than_asked(width):
    assert max(len(line) for line in table_text(suite(), width).splitlines()) <= width


def test_a_narrow_table_keeps_accuracy_and_names_what_it_left_out():
    text = table_text(suite(), 80)
    assert "too narrow for: stack peak, flash" in text
    assert "95.1 %" in row_of(text, "uint8", "1", "nrf52840")


def test_a_file_gets_plain_text_with_all_columns():
    out = io.StringIO()
    print_table(Console(file=out, width=40), suite())
    assert out.getvalue() == table_text(suite())
    assert "stack peak" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_a_terminal_gets_colours_within_its_width():
    out = io.StringIO()
    print_table(Console(file=out, width=90, force_terminal=True, color_system="standard"), suite())
    assert "\x1b[" in out.getvalue()
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert max(len(line) for line in lines) <= 90


def test_names_cannot_write_markup_or_escape_sequences():
    hostile = settings() | {"platform": "[red]x[/red]\x1b[2J"}
    text = table_text([document(settings=hostile), document()])
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


def test_no_runs_are_said_to_be_none():
    assert table_text([]) == "no runs\n"


@pytest.mark.parametrize(
    ("error", "figures"),
    [
        ("+-15 % for code in zero-wait-state memory. Refill (1 to 3 cycles) counts 2.", "±15 %"),
        ("+-40 %: dual issue is one factor; power typical of one chip: +-20 % with workload", "±40 % and ±20 %"),
        ("±15 %; power a factor of 1.5 either way: at 133 MHz", "±15 % and factor of 1.5"),
        ("unknown", "unknown"),
    ],
)
def test_a_long_error_is_told_by_all_its_figures(error, figures):
    assert error_figures(error) == figures


def test_each_line_of_a_reason_is_told_on_its_own():
    text = table_text([document(), failed(reason="RAM budget exceeded\n  gradients 13,600\x1b[2J\n  weights 3,400")])
    assert text.endswith("RAM budget exceeded\n      gradients 13,600 [2J\n      weights 3,400\n")


def test_a_range_is_shown_when_three_digits_tell_its_ends_apart():
    assert ranged(12.3, 11.8, 13.1) == "12.3 (11.8-13.1)"
    assert ranged(12.3, 12.28, 12.31) == "12.3"
    assert ranged_prefixed(1_230_000, 980_000, 1_310_000) == "1.23 (0.980-1.31) M"
    assert ranged_duration(252.6, 243.0, 276.0) == "4.21 (4.05-4.60) min"
