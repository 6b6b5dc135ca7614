"""Samples of a training stand for all of it: the estimator, and what a sampled run says against the whole one."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from small_scenarios import run as run_harness
from small_scenarios import scenario, write_scenario

from harness.cost.sampling import Stratum, mean_per_step
from harness.explanation.stored_run import StoredRun
from harness.pipeline.sampling import blocks_of, draw
from harness.result import Document, read_results, result_frame
from harness.scenario import Scenario

TRAINING = {"epochs": 3, "batch_size": 8, "dtype": "uint8", "update": {"min_ratio": 0.1}}
SAMPLED = {"steps": "sampled", "evaluate": 4, "sampling": {"strata": 3, "samples": 2, "seed": 5}}


def of(**changes) -> Scenario:
    return Scenario.model_validate(scenario(**changes))


def test_the_textbook_estimate_of_a_stratified_mean_is_met():
    """Two strata of 10 and 20 blocks of a step each; expected values by hand from Cochran, 5.3 and 5.4."""
    found = mean_per_step([Stratum(10, (4.0, 8.0), (1, 1)), Stratum(20, (1.0, 3.0, 2.0), (1, 1, 1))], 30)
    assert found.value == pytest.approx((10 * 6 + 20 * 2) / 30)
    parts = [10 * 8 / 2 * 8.0, 20 * 17 / 3 * 1.0]
    assert found.standard_error == pytest.approx(math.sqrt(sum(parts)) / 30)
    assert found.degrees_of_freedom == pytest.approx(sum(parts) ** 2 / (parts[0] ** 2 / 1 + parts[1] ** 2 / 2))
    assert found.low < found.value < found.high


def test_a_known_quantile_of_student_makes_the_interval():
    found = mean_per_step([Stratum(10**6, (1.0, 2.0, 3.0, 4.0, 5.0), (1,) * 5)], 10**6)
    assert found.high - found.value == pytest.approx(2.776445 * found.standard_error, rel=1e-6)


def test_all_blocks_of_all_strata_leave_nothing_open():
    found = mean_per_step([Stratum(2, (4.0, 8.0), (2, 2)), Stratum(1, (9.0,), (1,))], 5)
    assert (found.value, found.low, found.high) == (21 / 5, 21 / 5, 21 / 5)


def test_costs_in_proportion_to_the_steps_of_a_block_leave_nothing_open():
    found = mean_per_step([Stratum(9, (8.0, 32.0), (2, 8)), Stratum(9, (32.0, 32.0), (8, 8))], 120)
    assert found.value == 4.0
    assert found.standard_error == 0.0


def test_one_sample_a_stratum_collapses_neighbours_and_the_last_three_of_an_odd_number():
    strata = [Stratum(4, (cost,), (1,)) for cost in (1.0, 3.0, 5.0, 9.0, 7.0)]
    found = mean_per_step(strata, 20)
    first, second = [-16.0, -8.0], [0.0, 16.0, 8.0]
    expected = 2 * np.var(first) * 2 + 3 / 2 * np.var(second) * 3
    assert found.standard_error == pytest.approx(math.sqrt(expected) / 20)
    assert found.degrees_of_freedom == 3


def test_intervals_hold_the_true_mean_about_as_often_as_they_say():
    """A falling cost with noise, as of dynamic updates: 40 minibatches, 1000 draws."""
    generator = np.random.default_rng(1)
    costs = 100 * np.exp(-np.arange(40) / 15) + generator.normal(0, 3, 40)
    for samples, least, most in ((2, 0.92, 0.99), (1, 0.94, 1.0)):
        held = 0
        for _ in range(1000):
            drawn = [generator.choice(part, samples, replace=False) for part in np.array_split(costs, 8)]
            found = mean_per_step([Stratum(5, tuple(part), (1,) * samples) for part in drawn], 40)
            held += found.low <= costs.mean() <= found.high
        assert least <= held / 1000 <= most


@pytest.mark.parametrize(
    ("train", "batch", "epochs", "minibatches"), list(itertools.product((24, 30), (8, 7), (1, 3), (1, 2, 5)))
)
def test_blocks_are_whole_minibatches_and_cover_every_step_once(train, batch, epochs, minibatches):
    engine = {"steps": "sampled", "evaluate": 4, "sampling": {"strata": 1, "samples": 2, "minibatches": 1}}
    run = of(
        dataset={"name": "digits", "train": train, "test": 20},
        training={**TRAINING, "batch_size": batch, "epochs": epochs},
        engine=engine,
    )
    sampling = run.engine.sampling.model_copy(update={"minibatches": minibatches})
    run = run.model_copy(update={"engine": run.engine.model_copy(update={"sampling": sampling})})
    blocks = blocks_of(run)
    assert [step for first, steps in blocks for step in range(first, first + steps)] == list(range(train * epochs))
    ends = {min(end, train) + epoch * train for epoch in range(epochs) for end in range(batch, train + batch, batch)}
    assert {first + steps for first, steps in blocks} <= ends
    per_epoch = math.ceil(train / batch)
    assert len(blocks) == math.ceil(per_epoch * epochs / minibatches)


def test_a_draw_depends_on_its_seed_and_on_nothing_else():
    def drawn(seed: int):
        return draw(of(training=TRAINING, engine={**SAMPLED, "sampling": {"strata": 3, "samples": 2, "seed": seed}}))

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(20)}) > 5
    for seed in range(20):
        samples = drawn(seed).samples
        assert [sample.stratum for sample in samples] == [0, 0, 1, 1, 2, 2]
        assert len({sample.first_step for sample in samples}) == 6
        assert [sample.first_step for sample in samples] == sorted(sample.first_step for sample in samples)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Output folders of a whole run and of a sampled one."""
    place = tmp_path_factory.mktemp("sampled")
    for name, engine in (("whole", {"steps": "all", "evaluate": 4}), ("samples", SAMPLED)):
        write_scenario(place / f"{name}.yaml", training=TRAINING, engine=engine)
        result = run_harness(f"{name}.yaml", "-o", name, cwd=place)
        assert result.returncode == 0, result.stderr
        (place / name / "stdout").write_text(result.stdout)
    return place / "whole", place / "samples"


@pytest.fixture(scope="module")
def whole(folders: tuple[Path, Path]) -> Document:
    return read_results(folders[0])[0]


@pytest.fixture(scope="module")
def sampled(folders: tuple[Path, Path]) -> Document:
    return read_results(folders[1])[0]


def test_the_true_means_of_the_whole_training_lie_inside_the_intervals(whole, sampled):
    sampling = sampled.sampling
    assert sampling.cycles_per_step.low <= whole.estimates.cycles_per_step.value <= sampling.cycles_per_step.high
    exact = whole.counts.instructions_per_step
    assert sampling.instructions_per_step.low < exact < sampling.instructions_per_step.high
    width = sampling.instructions_per_step.high - sampling.instructions_per_step.low
    assert 0 < width < 0.2 * exact
    for phase, interval in sampling.by_phase.items():
        assert interval.low <= whole.counts.by_phase[phase] <= interval.high


def test_a_sampled_run_reaches_what_the_whole_run_does(whole, sampled):
    assert sampled.accuracy == whole.accuracy
    assert sampled.agreement.steps_emulated == 48
    assert sampled.agreement.steps_total == whole.agreement.steps_emulated == 72
    assert sampled.memory == whole.memory


def test_counts_layers_and_the_stored_trace_have_the_mean_of_the_samples(sampled, folders):
    sampling, counts = sampled.sampling, sampled.counts
    assert counts.instructions_per_step == pytest.approx(sampling.instructions_per_step.mean)
    assert sampled.estimates.cycles_per_step.value == pytest.approx(sampling.cycles_per_step.mean)
    assert counts.by_phase == pytest.approx({phase: one.mean for phase, one in sampling.by_phase.items()})
    assert not StoredRun(sampled, folders[1]).model_changed


def test_table_and_page_say_that_numbers_are_of_samples(sampled, folders):
    row = result_frame([sampled]).iloc[0]
    assert row["samples"] == 6
    for name in ("instructions_per_step", "cycles_per_step", "time_ms_per_step", "training_time_s"):
        assert row[f"{name}_ci95_low"] < row[name] < row[f"{name}_ci95_high"]
    assert "95 % confidence" in row["cycles_per_step_error"]
    assert "sampled: instructions, cycles, time and energy are means" in (folders[1] / "stdout").read_text()
    assert "6 at random places, as many in each of 3 equally long spans" in (folders[1] / "report.html").read_text()
    assert "sampled" not in (folders[0] / "stdout").read_text()
    stored = json.loads((folders[1] / "results.json").read_text())["documents"][0]["sampling"]
    assert [one["stratum"] for one in stored["samples"]] == [0, 0, 1, 1, 2, 2]


def test_more_samples_than_the_training_has_minibatches_are_refused(tmp_path):
    write_scenario(tmp_path / "s.yaml", training=TRAINING, engine={"steps": "sampled", "evaluate": 0})
    result = run_harness("s.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "16 minibatches, but the training has only 9" in result.stderr
