"""Results: documents, their table and their storage."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError
from synthetic_results import document, failed, seeded, settings, suite

from harness.errors import InputError
from harness.result import (
    Document,
    Estimate,
    estimated_columns,
    layer_frame,
    read_results,
    result_frame,
    seed_frame,
    write_results,
)
from harness.result.frame import setting_columns
from harness.result.provenance import git_state
from harness.scenario import read_scenarios


def test_a_failed_run_needs_a_reason():
    with pytest.raises(ValidationError, match="needs its reason"):
        failed(reason=None)


def test_a_successful_run_needs_every_part():
    with pytest.raises(ValidationError, match="needs counts, memory"):
        document(counts=None, memory=None)


def test_phases_that_do_not_sum_to_the_step_are_refused():
    counts = document().counts.model_dump()
    counts["by_phase"]["forward"] += 10
    with pytest.raises(ValidationError, match="by_phase sums to"):
        document(counts=counts)


def test_unknown_fields_are_refused():
    with pytest.raises(ValidationError, match="extra"):
        document(speed=1)


def test_the_frame_has_one_row_a_run_in_the_order_given():
    documents = suite()
    frame = result_frame(documents)
    assert list(frame["run"]) == [one.run.id for one in documents]
    assert frame["run"].is_unique


def test_the_frame_names_settings_and_results_with_units():
    one = document("float32", 0.5, "imxrt1062")
    row = result_frame([one]).iloc[0]
    expected = {
        "model": "digits-cnn",
        "dataset": "digits",
        "dataset_train": 1000,
        "dtype": "float32",
        "update_min_ratio": 0.5,
        "platform": "imxrt1062",
        "core": "cortex-m7",
        "clock_hz": 600_000_000,
        "engine": "unicorn",
        "engine_steps": 64,
        "asked_ram_budget_bytes": 65536,
        "accuracy_test": one.accuracy.test,
        "instructions_per_step": one.counts.instructions_per_step,
        "instructions_forward_per_step": one.counts.by_phase["forward"],
        "cycles_per_step": one.estimates.cycles_per_step.value,
        "time_ms_per_step": one.estimates.time_ms_per_step.value,
        "energy_mj_per_step": one.estimates.energy_mj_per_step.value,
        "ram_bytes": one.memory.ram_bytes,
        "arena_gradients_bytes": 13_600,
        "flash_text_bytes": one.memory.flash_by_section[".text"],
        "stack_peak_bytes": one.memory.stack_peak_bytes,
        "records_equal": True,
        "git_commit": one.provenance.git_commit,
    }
    assert {name: row[name] for name in expected} == expected


def test_exactly_the_estimates_have_a_model_and_an_error_beside_them():
    frame = result_frame(suite())
    assert estimated_columns(frame) == [
        "cycles_per_step",
        "time_ms_per_step",
        "energy_mj_per_step",
        "training_time_s",
        "training_energy_mj",
    ]
    assert frame["time_ms_per_step_model"].iloc[0] == "cortex-m4f-table"
    assert (frame["time_ms_per_step_low"] < frame["time_ms_per_step"]).all()
    assert (frame["time_ms_per_step"] < frame["time_ms_per_step_high"]).all()
    assert frame["time_ms_per_step_error"].iloc[0] == "+-15 % for code in zero-wait-state memory"


def test_a_failed_run_does_not_turn_counts_into_floats():
    frame = result_frame([failed(), document()])
    assert frame["ram_bytes"].dtype == "Int64"
    assert frame["records_equal"].dtype == "boolean"
    assert frame["ram_bytes"].isna().tolist() == [True, False]
    assert frame["reason"].iloc[0].startswith("RAM budget exceeded")


def test_a_setting_cannot_displace_a_result():
    hostile = settings() | {"accuracy": {"test": 1.0}, "ram_bytes": 1, "status": "ok"}
    row = result_frame([failed(settings=hostile), document(settings=hostile)])
    assert list(row["status"]) == ["failed", "ok"]
    assert row["ram_bytes"].iloc[1] == document().memory.ram_bytes
    assert row["accuracy_test"].iloc[1] == document().accuracy.test


def test_the_quickstarts_settings_get_the_columns_that_reports_rely_on():
    scenario = read_scenarios(Path(__file__).parent.parent / "scenarios" / "quickstart.yaml")[0]
    columns = setting_columns(scenario.model_dump(mode="json"))
    assert {"model", "dataset", "dtype", "update_policy", "update_min_ratio", "platform", "epochs"} <= set(columns)
    assert columns["asked_ram_budget_bytes"] == 65536


def test_layers_written_out_in_a_scenario_become_one_column():
    columns = setting_columns({"model": {"layers": [{"kind": "dense", "units": 10}]}})
    assert columns == {"model_layers": '[{"kind":"dense","units":10}]'}


def test_the_layer_frame_sums_to_the_step():
    documents = suite()
    frame = layer_frame(documents)
    sums = frame.groupby("run")["instructions_per_step"].sum()
    ok = [one for one in documents if one.status == "ok"]
    assert len(sums) == len(ok)
    for one in ok:
        assert sums[one.run.id] == pytest.approx(one.counts.instructions_per_step)
    assert estimated_columns(frame) == ["cycles_per_step"]


def test_stored_results_come_back_equal(tmp_path):
    documents = suite()
    files = write_results(tmp_path / "out", documents)
    assert {"results.csv", "layers.csv", "results.json"} <= {file.name for file in files}
    assert read_results(tmp_path / "out") == documents
    assert read_results(tmp_path / "out" / "results.json") == documents


def test_the_csv_holds_the_frame(tmp_path):
    documents = suite()
    write_results(tmp_path, documents)
    frame = result_frame(documents)
    stored = pd.read_csv(tmp_path / "results.csv")
    assert list(stored.columns) == list(frame.columns)
    assert stored["ram_bytes"].dropna().astype(int).tolist() == frame["ram_bytes"].dropna().tolist()


def test_runs_that_differ_only_in_their_seed_are_one_row_with_mean_and_sample_deviation():
    documents = [*seeded((0.93, 0.95, 0.97)), *seeded((0.9,), dtype="float32")]
    frame = seed_frame(documents)
    assert frame["dtype"].tolist() == ["uint8", "float32"]
    assert frame["seeds"].tolist() == ["1,2,3", "1"]
    assert frame["runs"].tolist() == [3, 1]
    assert frame["accuracy_test"].tolist() == pytest.approx([0.95, 0.9])
    assert frame["accuracy_test_deviation"][0] == pytest.approx(0.02)
    assert frame["accuracy_test_deviation"].isna().tolist() == [False, True]
    assert "seed" not in frame
    assert "ram_bytes_deviation" not in frame
    assert estimated_columns(frame) == estimated_columns(result_frame(documents))


def test_failed_runs_are_counted_and_change_no_mean():
    documents = seeded((0.93, 0.95))
    broken = documents[1].model_copy(update={"status": "failed", "reason": "no", "accuracy": None})
    frame = seed_frame([documents[0], broken])
    assert (frame["runs"][0], frame["runs_failed"][0], frame["accuracy_test"][0]) == (1, 1, 0.93)


def test_means_over_seeds_are_stored_where_there_are_seeds_and_nowhere_else(tmp_path):
    documents = seeded()
    assert tmp_path / "seeds.csv" in write_results(tmp_path, documents)
    assert pd.read_csv(tmp_path / "seeds.csv")["accuracy_test"].tolist() == pytest.approx([0.95])
    (row,) = json.loads((tmp_path / "results.json").read_text())["seeds"]
    assert row["accuracy_test_deviation"] == pytest.approx(0.02)
    assert read_results(tmp_path) == documents
    write_results(tmp_path, suite())
    assert not (tmp_path / "seeds.csv").exists()
    assert "seeds" not in json.loads((tmp_path / "results.json").read_text())


def test_a_diverged_loss_is_stored_as_valid_json(tmp_path):
    accuracy = document().accuracy.model_dump() | {"loss": float("nan")}
    diverged = document(accuracy=accuracy)
    other = seeded((0.9, 0.8))[1]
    write_results(tmp_path, [diverged, other])

    def refuse(constant):
        raise AssertionError(constant)

    json.loads((tmp_path / "results.json").read_text(), parse_constant=refuse)
    back, _ = read_results(tmp_path)
    assert back.accuracy.loss != back.accuracy.loss


def test_no_results_at_all_can_be_stored(tmp_path):
    write_results(tmp_path, [])
    assert read_results(tmp_path) == []


def test_nothing_temporary_is_left_in_the_folder(tmp_path):
    files = write_results(tmp_path, suite())
    assert sorted(tmp_path.iterdir()) == sorted(files)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no results of this harness"),
        ("[]", "expected an object"),
        ("[" * 100_000, "no results of this harness"),
        ('{"documents": [{}]}', r"documents\.0\.run: Field required"),
        ('{"documents": [3]}', r"documents\.0"),
    ],
)
def test_a_file_that_is_no_result_is_named_with_its_place(tmp_path, content, message):
    file = tmp_path / "results.json"
    file.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_results(tmp_path)
    assert str(file) in str(caught.value)


def test_a_missing_folder_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_results(tmp_path / "absent")


def test_a_document_of_another_schema_is_refused():
    body = document().model_dump(mode="json") | {"schema_number": 1}
    with pytest.raises(ValidationError, match="schema_number"):
        Document.model_validate(body)


def test_the_git_state_tells_a_clean_from_a_changed_checkout(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "one")
    commit, dirty = git_state(tmp_path)
    assert len(commit) == 40
    assert dirty is False
    (tmp_path / "file").write_text("2")
    assert git_state(tmp_path) == (commit, True)


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path):
    assert git_state(tmp_path) == (None, None)


def test_an_estimate_outside_its_range_is_refused():
    estimate = document().estimates.cycles_per_step.model_dump()
    with pytest.raises(ValidationError, match="expected low <= value <= high"):
        Estimate.model_validate(estimate | {"value": estimate["high"] * 2})
