"""Reading scenario files: what comes out of good ones."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness.model import network_names
from harness.scenario import Scenario, json_schema, read_scenarios, reference

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = sorted((ROOT / "scenarios").rglob("*.yaml"))

PLAIN = """\
name: plain
model: {name: digits-cnn}
dataset:
  name: digits
  train: 100
  test: 50
platform: rp2040
memory:
  ram_budget: 64 KiB
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_without_a_matrix_is_one_run_labelled_by_its_name(tmp_path: Path) -> None:
    (scenario,) = read_scenarios(write(tmp_path, PLAIN))
    assert scenario.label == "plain"
    assert scenario.memory.ram_budget == 65536
    assert scenario.training.update.min_ratio == 0.1
    assert scenario.training.trainable_layers == "all"
    assert scenario.matrix_values == {}
    assert scenario.network().name == "digits-cnn"


def test_the_method_of_the_paper_settles_its_keys_and_brings_defaults_that_the_scenario_may_change(
    tmp_path: Path,
) -> None:
    section = "training:\n  method: paper\n  learning_rate: 0.5\n  quantization: {calibration_samples: 7}\n"
    (scenario,) = read_scenarios(write(tmp_path, PLAIN + section))
    training = scenario.training
    assert (training.optimizer.name, training.schedule.name) == ("standardized", "constant")
    assert training.quantization.model_dump() == {
        "activations": "tracked",
        "errors": "fixed",
        "smoothing": 0.1,
        "rounding": "nearest",
        "weight_smoothing": 1.0,
        "weight_slack": 0.0,
        "calibration_samples": 7,
    }
    assert (training.epochs, training.batch_size, training.learning_rate) == (20, 100, 0.5)


def test_a_key_may_repeat_what_the_method_settles_and_choose_what_it_leaves_open(tmp_path: Path) -> None:
    section = "training: {method: paper, quantization: {rounding: nearest, errors: tracked}}\n"
    (scenario,) = read_scenarios(write(tmp_path, PLAIN + section))
    assert scenario.training.quantization.rounding == "nearest"
    assert scenario.training.quantization.errors == "tracked"


def test_every_key_has_a_description_and_every_value_an_example() -> None:
    def walk(schema: dict[str, object], definitions: dict[str, dict[str, object]]) -> None:
        for name, key in schema["properties"].items():  # type: ignore[attr-defined]
            assert key.get("description"), name
            if "$ref" in key:
                walk(definitions[key["$ref"].rpartition("/")[2]], definitions)
            else:
                assert key.get("examples"), name

    schema = Scenario.model_json_schema()
    walk(schema, schema["$defs"])


def test_places_of_keys_are_those_of_their_values_or_of_the_nearest_section(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    (scenario,) = read_scenarios(path)
    assert scenario.locate("memory.ram_budget") == f"{path}:9:15"
    assert scenario.locate("memory.flash_budget") == f"{path}:8:1"
    assert scenario.locate("model.name") == f"{path}:2:15"
    assert scenario.locate("training.dtype") == f"{path}:1:1"


def test_a_value_from_the_matrix_is_located_in_the_matrix(tmp_path: Path) -> None:
    text = PLAIN + "matrix:\n  memory.ram_budget: [32 KiB, 48 KiB]\n  include: [{training.epochs: 4}]\n"
    path = write(tmp_path, text)
    first, second = read_scenarios(path)
    assert second.memory.ram_budget == 48 * 1024
    assert first.locate("memory.ram_budget") == f"{path}:11:23"
    assert second.locate("memory.ram_budget") == f"{path}:11:31"
    assert second.locate("training.epochs") == f"{path}:12:31"


def test_layers_written_out_are_located_one_by_one(tmp_path: Path) -> None:
    layers = "model:\n  layers:\n    - {type: flatten}\n    - {type: dense, units: 10}\n"
    path = write(tmp_path, PLAIN.replace("model: {name: digits-cnn}\n", layers))
    (scenario,) = read_scenarios(path)
    assert scenario.locate("model.layers[1].units") == f"{path}:5:28"
    assert scenario.network().shapes() == ((8, 8, 1), (64,), (10,))


def test_a_scenario_made_without_a_file_is_located_by_its_name() -> None:
    scenario = Scenario.model_validate(yaml.safe_load(PLAIN))
    assert scenario.locate("memory.ram_budget") == "plain"


def test_a_scenario_survives_the_way_to_a_worker_process(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN + "matrix: {training.dtype: [uint8, float32]}\n")
    for scenario in read_scenarios(path):
        copy = pickle.loads(pickle.dumps(scenario))
        assert copy == scenario
        assert (copy.label, copy.locate("training.dtype")) == (scenario.label, scenario.locate("training.dtype"))


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    text = PLAIN + "tags: [no, on, 'true', 1:30]\ntraining: {learning_rate: 1e-3, seed: 0x10}\ndescription: null"
    text = text.replace("description: null", "description: ~1")
    (scenario,) = read_scenarios(write(tmp_path, text))
    assert scenario.tags == ["no", "on", "true", "1:30"]
    assert scenario.training.learning_rate == 0.001
    assert scenario.training.seed == 16
    assert scenario.description == "~1"


def test_anchors_and_aliases_work(tmp_path: Path) -> None:
    text = PLAIN.replace("64 KiB", "&size 64 KiB") + "  flash_budget: *size\n"
    (scenario,) = read_scenarios(write(tmp_path, text))
    assert scenario.memory.flash_budget == scenario.memory.ram_budget == 65536


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode())
    (scenario,) = read_scenarios(path)
    assert scenario.locate("memory.ram_budget") == f"{path}:9:15"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenarios_that_ship_are_valid_for_the_reader_and_for_editors(path: Path) -> None:
    scenarios = read_scenarios(path)
    assert len({scenario.label for scenario in scenarios}) == len(scenarios)
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), json_schema())
    up = "../" * (len(path.relative_to(ROOT / "scenarios").parts) - 1)
    assert path.read_text("utf-8").startswith(f"# yaml-language-server: $schema={up}schema.json\n")


def test_the_quickstart_is_eighteen_runs_over_three_boards() -> None:
    scenarios = read_scenarios(ROOT / "scenarios" / "quickstart.yaml")
    assert len(scenarios) == 18
    assert scenarios[0].label == "quickstart[nrf52840,uint8,1.0]"
    assert {scenario.platform for scenario in scenarios} == {"nrf52840", "rp2040", "imxrt1062"}
    assert {scenario.engine.steps for scenario in scenarios} == {64}


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"platform": "nosuch"}, False),
        ({"model": {"name": "nosuch"}}, False),
        ({"dataset": {"name": "digits"}}, False),
        ({"trainin": {}}, False),
        ({"memory": {"ram_budget": "64 kib"}}, False),
        ({"training": {"update": {"min_ratio": "50 %"}}}, True),
        ({"training": {"update": {"min_ratio": 1.5}}}, False),
        ({"engine": {"steps": "all"}}, True),
        ({"engine": {"steps": "some"}}, False),
        ({"matrix": {"training.dtype": ["uint8"]}}, True),
        ({"matrix": {"training.dtype": ["int8"]}}, False),
        ({"matrix": {"training.dtyp": ["uint8"]}}, False),
        ({"matrix": {"training.dtype": []}}, False),
        ({"matrix": {"training.dtype": ["uint8"], "include": [{"platform": "rp2040"}]}}, True),
    ],
)
def test_the_json_schema_tells_good_files_from_bad_ones(change: dict[str, object], good: bool) -> None:
    document = {**yaml.safe_load(PLAIN), **change}
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(document) is good


def test_the_json_schema_requires_a_platform_only_without_a_matrix() -> None:
    document = yaml.safe_load(PLAIN)
    del document["platform"]
    validator = jsonschema.Draft202012Validator(json_schema())
    assert not validator.is_valid(document)
    assert validator.is_valid({**document, "matrix": {"platform": ["rp2040"]}})


def test_the_json_schema_offers_the_names_there_are() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["ModelChoice"]["properties"]["name"]["anyOf"][0]["enum"] == sorted(network_names())


def test_the_committed_json_schema_is_up_to_date() -> None:

    committed = (ROOT / "scenarios" / "schema.json").read_text("utf-8")
    assert committed == json.dumps(json_schema(), indent=2) + "\n", "run: harness schema -o scenarios/schema.json"


def test_the_committed_reference_is_up_to_date() -> None:
    committed = (ROOT / "docs" / "scenario.md").read_text("utf-8")
    assert committed == reference(), "run: harness schema --format markdown -o docs/scenario.md"


def test_the_examples_of_the_reference_are_valid(tmp_path: Path) -> None:
    whole, matrix = re.findall(r"```yaml\n(.*?)```", reference(), re.DOTALL)
    assert len(read_scenarios(write(tmp_path, whole))) == 4
    base = whole[: whole.index("matrix:")]
    labels = [scenario.label for scenario in read_scenarios(write(tmp_path, base + matrix))]
    assert labels == [
        "example[nrf52840,uint8,engine.steps=128]",
        "example[nrf52840,float32,engine.steps=128]",
        "example[rp2040,uint8]",
        "example[imxrt1062,uint8]",
    ]
