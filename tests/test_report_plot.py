"""Plots: what they say, and that equal results give equal files."""

import re

import matplotlib as mpl
import pytest
from synthetic_results import document, failed, seeded, settings, suite

from harness.report.drawn import write_plots
from harness.report.plot import suite_plots
from harness.report.suite import Suite


@pytest.fixture(scope="module")
def plots():
    return {plot.name: plot for plot in suite_plots(Suite(suite()))}


def texts(plot):
    return [re.sub(r"\s+", " ", text).strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", plot.svg)]


def test_every_plot_is_written_as_svg_and_png(tmp_path, plots):
    files = write_plots(tmp_path, list(plots.values()))
    assert len(files) == 12
    for file in files:
        start = file.read_bytes()[:8]
        assert start == (b"\x89PNG\r\n\x1a\n" if file.suffix == ".png" else b"<?xml ve")


def test_equal_results_give_equal_files(plots):
    for plot in suite_plots(Suite(suite())):
        assert plot.svg == plots[plot.name].svg
        assert plot.png == plots[plot.name].png


def test_files_carry_no_date(plots):
    assert not any("dc:date" in plot.svg for plot in plots.values())


def test_the_users_matplotlib_settings_change_nothing(plots):
    with mpl.rc_context({"font.size": 30, "axes.grid": False, "svg.fonttype": "path"}):
        again = {plot.name: plot for plot in suite_plots(Suite(suite()))}
        assert mpl.rcParams["font.size"] == 30
    assert again["accuracy-ram"].svg == plots["accuracy-ram"].svg


@pytest.mark.parametrize("name", ["accuracy-time-per-step", "accuracy-energy-per-step", "cycles-by-phase"])
def test_an_estimated_axis_says_so_and_names_its_models(plots, name):
    words = texts(plots[name])
    assert any(text.startswith("estimated ") for text in words)
    assert {"cortex-m0plus", "cortex-m4f", "cortex-m7"} <= set(re.findall(r"cortex-m[0-9a-z]+", " ".join(words)))


def test_an_exact_axis_says_so(plots):
    assert "RAM [KiB], exact" in texts(plots["accuracy-ram"])
    assert "arena [KiB], exact" in texts(plots["arena-by-category"])


def test_every_finished_run_is_one_point_with_its_numbers_as_a_hint(plots):
    plot = plots["accuracy-time-per-step"]
    assert len(plot.hints) == 18
    assert all(plot.svg.count(f'id="{mark}"') == 1 for mark in plot.hints)
    assert "uint8, 0.1, imxrt1062: 94.0 %, ≈ 0.488 ms" in plot.hints.values()


def test_runs_that_differ_only_in_their_seed_are_one_point_and_one_bar():
    drawn = {plot.name: plot for plot in suite_plots(Suite([*seeded(), *seeded(dtype="float32")]))}
    scatter, arena = drawn["accuracy-time-per-step"], drawn["arena-by-category"]
    assert len(scatter.hints) == 2
    assert any("uint8: 95.0 ± 2.0 %, " in hint for hint in scatter.hints.values())
    assert "its bar reaches one sample deviation" in scatter.caption
    assert texts(arena).count("uint8") == 1


def test_costs_over_more_than_a_decade_get_a_logarithmic_axis(plots):
    assert {"1", "10", "100"} <= set(texts(plots["accuracy-time-per-step"]))
    assert {"25", "30", "35"} <= set(texts(plots["accuracy-ram"]))


def test_the_stack_of_a_run_shows_every_phase_and_layer(plots):
    phases = [hint for hint in plots["cycles-by-phase"].hints.values() if hint.startswith("uint8, 0.1:")]
    assert {hint.split()[2] for hint in phases} == {"load", "forward", "loss", "select", "backward", "update"}
    assert {"conv1", "conv2", "pool1", "dense1", "dense2", "no layer"} <= set(texts(plots["cycles-by-layer"]))


def test_equal_arenas_of_several_platforms_are_one_bar(plots):
    bars = [text for text in texts(plots["arena-by-category"]) if text.startswith(("uint8", "float32"))]
    assert sorted(bars) == sorted(
        f"{dtype}, {ratio}" for dtype in ("uint8", "float32") for ratio in ("1", "0.5", "0.1")
    )


def test_inline_plots_follow_the_theme_and_share_no_ids(plots):
    pages = [plot.inline() for plot in plots.values()]
    ids = [name for page in pages for name in re.findall(r'\sid="([^"]+)"', page)]
    assert len(ids) == len(set(ids))
    for page in pages:
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page))
        assert used <= set(ids)
        assert "var(--c1f2328, #1f2328)" in page


def test_dollar_signs_and_strange_letters_in_names_are_drawn_as_they_are():
    strange = settings() | {"platform": "$x^{$ 板 <b>"}
    plots = suite_plots(Suite([document(settings=strange), document()]))
    assert any("$x^{$ 板 &lt;b&gt;" in plot.svg for plot in plots)


def test_a_run_without_cost_does_not_break_the_scale():
    memory = document().memory.model_copy(update={"ram_bytes": 0, "arena_by_category": {}, "arena_bytes": 0})
    names = [plot.name for plot in suite_plots(Suite([document(memory=memory), document("float32")]))]
    assert "accuracy-ram" in names


def test_the_seeds_of_one_scenario_have_no_trade_off_and_one_bar_named_after_it():
    drawn = {plot.name: plot for plot in suite_plots(Suite(seeded()))}
    assert set(drawn) == {"arena-by-category", "cycles-by-phase", "cycles-by-layer"}
    assert texts(drawn["arena-by-category"]).count("quickstart") == 1


def test_one_run_has_no_trade_off_and_none_has_no_plot():
    assert [plot.name for plot in suite_plots(Suite([document()]))] == [
        "arena-by-category",
        "cycles-by-phase",
        "cycles-by-layer",
    ]
    assert suite_plots(Suite([failed()])) == []
