"""Reading scenario files: what is said about bad ones, one line each, at the right place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.scenario import read_scenarios
from harness.scenario.document import MAX_FILE_BYTES, MAX_NODES

GOOD = """\
name: good
model: {name: digits-cnn}
dataset: {name: digits, train: 100, test: 50}
training:
  epochs: 2
  update: {min_ratio: 0.1, max_ratio: 1.0}
memory: {ram_budget: 64 KiB}
platform: rp2040
engine: {name: unicorn, steps: 8}
"""


def complaints(folder: Path, text: str | bytes) -> list[str]:
    """Lines said about a file with this content, without its name."""
    path = folder / "s.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        read_scenarios(path)
    assert caught.value.exit_status == 2
    for line in caught.value.lines:
        assert line.startswith(f"{path}:")
        assert line.isprintable()
    return [line.removeprefix(f"{path}:") for line in caught.value.lines]


def only(folder: Path, text: str | bytes) -> str:
    lines = complaints(folder, text)
    assert len(lines) == 1, lines
    return lines[0]


def test_the_good_file_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert [scenario.label for scenario in read_scenarios(path)] == ["good"]


@pytest.mark.parametrize(
    ("old", "new", "place", "parts"),
    [
        pytest.param(
            "epochs: 2", "epoch: 2", "5:3: training.epoch: unknown key", ["did you mean 'epochs'?"], id="unknown-key"
        ),
        pytest.param(
            "platform: ",
            "epochs: 2\nplatform: ",
            "8:1: epochs:",
            ["did you mean 'training.epochs'?"],
            id="misplaced-key",
        ),
        pytest.param(
            "epochs: 2", "epochs: two", "5:11: training.epochs: 'two'", ["a whole number from 1 to"], id="wrong-type"
        ),
        pytest.param(
            "epochs: 2", "epochs: [2]", "5:11: training.epochs: a list", ["a whole number"], id="list-for-number"
        ),
        pytest.param(
            "epochs: 2", "epochs: 2.0", "5:11: training.epochs: 2.0", ["a whole number"], id="float-for-integer"
        ),
        pytest.param(
            "epochs: 2", "epochs: true", "5:11: training.epochs: true", ["a whole number"], id="boolean-for-number"
        ),
        pytest.param(
            "epochs: 2", "epochs: yes", "5:11: training.epochs: 'yes'", ["a whole number"], id="yes-for-number"
        ),
        pytest.param(
            "min_ratio: 0.1",
            "min_ratio: yes",
            "6:23: training.update.min_ratio: 'yes'",
            ["a ratio such as"],
            id="yes-for-ratio",
        ),
        pytest.param(
            "min_ratio: 0.1",
            "min_ratio: on",
            "6:23: training.update.min_ratio: 'on'",
            ["a ratio such as"],
            id="on-for-ratio",
        ),
        pytest.param(
            "epochs: 2",
            "gradients: {bits: 12}",
            "5:21: training.gradients.bits: 12",
            ["one of 8, 16, 32"],
            id="bits-no-accumulator-has",
        ),
        pytest.param(
            "epochs: 2",
            "gradients: {bits: '8'}",
            "5:21: training.gradients.bits: '8'",
            ["one of 8, 16, 32"],
            id="bits-as-text",
        ),
        pytest.param(
            "epochs: 2",
            "gradients: {bit: 8}",
            "5:15: training.gradients.bit",
            ["did you mean 'bits'?"],
            id="bits-misspelled",
        ),
        pytest.param(
            "epochs: 2",
            "epochs: 0",
            "5:11: training.epochs: 0 is out of range",
            ["from 1 to 10000"],
            id="below-the-bound",
        ),
        pytest.param(
            "epochs: 2", "epochs: " + "9" * 400, "5:11: training.epochs:", ["a whole number"], id="huge-number"
        ),
        pytest.param(
            "epochs: 2", "learning_rate: .nan", "5:18: training.learning_rate: nan", ["a number above 0"], id="nan"
        ),
        pytest.param(
            "epochs: 2",
            "learning_rate: -.inf",
            "5:18: training.learning_rate: -inf",
            ["a number above 0"],
            id="infinity",
        ),
        pytest.param(
            "epochs: 2",
            "learning_rate: 1e999",
            "5:18: training.learning_rate: inf",
            ["a number above 0"],
            id="overflow",
        ),
        pytest.param(
            "min_ratio: 0.1", "min_ratio: .nan", "6:23: training.update.min_ratio: nan", ["a ratio"], id="nan-ratio"
        ),
        pytest.param(
            "min_ratio: 0.1",
            "min_ratio: 1.5",
            "6:23: training.update.min_ratio: 1.5 is out of range",
            ["above 0 and at most 1"],
            id="ratio-above-1",
        ),
        pytest.param(
            "min_ratio: 0.1",
            "min_ratio: 110 %",
            "6:23: training.update.min_ratio: '110 %'",
            ["above 0 and at most 1"],
            id="ratio-above-100-per-cent",
        ),
        pytest.param(
            "min_ratio: 0.1", "min_ratio: 0", "6:23: training.update.min_ratio: 0", ["above 0"], id="ratio-zero"
        ),
        pytest.param(
            "max_ratio: 1.0",
            "max_ratio: 0.05",
            "6:23: training.update.min_ratio: min_ratio 0.1 is above max_ratio 0.05",
            ["expected min_ratio <= max_ratio"],
            id="min-above-max",
        ),
        pytest.param(
            "64 KiB",
            "64 kib",
            "7:22: memory.ram_budget: unknown unit 'kib'",
            ["did you mean 'KiB'?"],
            id="unknown-unit",
        ),
        pytest.param(
            "64 KiB", "64 B", "7:22: memory.ram_budget: '64 B' is out of range", ["from 1 KiB"], id="size-out-of-range"
        ),
        pytest.param("64 KiB", "2 KiB", "7:22: memory.ram_budget:", ["stack"], id="stack-fills-the-budget"),
        pytest.param(
            "digits-cnn",
            "digit-cnn",
            "2:15: model.name: unknown model 'digit-cnn'",
            ["did you mean 'digits-cnn'?"],
            id="unknown-model",
        ),
        pytest.param(
            "name: digits,",
            "name: digitz,",
            "3:17: dataset.name: unknown data set 'digitz'",
            ["did you mean 'digits'?"],
            id="unknown-dataset",
        ),
        pytest.param(
            "rp2040",
            "rp2041",
            "8:11: platform: unknown platform 'rp2041'",
            ["did you mean 'rp2040'?"],
            id="unknown-platform",
        ),
        pytest.param(
            "unicorn",
            "unicron",
            "9:16: engine.name: unknown engine 'unicron'",
            ["did you mean 'unicorn'?"],
            id="unknown-engine",
        ),
        pytest.param(
            "steps: 8",
            "steps: some",
            "9:32: engine.steps: 'some' is no count",
            ["a whole number of at least 1, or `all`"],
            id="no-count",
        ),
        pytest.param(
            "steps: 8",
            "steps: 201",
            "9:32: engine.steps: 201 steps",
            ["at most 200, or 'all'"],
            id="more-steps-than-training",
        ),
        pytest.param(
            "steps: 8",
            "evaluate: 51",
            "9:35: engine.evaluate: 51 samples",
            ["at most 50"],
            id="more-evaluated-than-test",
        ),
        pytest.param(
            "train: 100",
            "train: 1798",
            "3:32: dataset.train: 1798 samples",
            ["at most 1797"],
            id="more-samples-than-there-are",
        ),
        pytest.param(
            "train: 100",
            "train: 1750",
            "3:44: dataset.test:",
            ["at most 1797 together"],
            id="more-samples-than-the-pool",
        ),
        pytest.param(
            " train: 100,", "", "3:1: dataset.train: missing key", ["a whole number from 1"], id="missing-key"
        ),
        pytest.param(
            "platform: rp2040\n", "", "1:1: platform: missing key", ["imxrt1062"], id="missing-key-at-the-top"
        ),
        pytest.param(
            "name: good", "name: a b", "1:7: name: 'a b' is not allowed", ["without spaces"], id="name-with-spaces"
        ),
        pytest.param(
            "platform: ",
            "platform: nrf52840\nplatform: ",
            "9:1: platform: duplicate key",
            ["first given in line 8"],
            id="duplicate-key",
        ),
        pytest.param(
            "epochs: 2",
            "epochs: 2\n  epochs: 2",
            "6:3: training.epochs: duplicate key",
            ["line 5"],
            id="duplicate-nested-key",
        ),
        pytest.param(
            "memory: {ram_budget: 64 KiB}",
            "memory: 64 KiB",
            "7:9: memory: '64 KiB'",
            ["a section with the keys ram_budget"],
            id="value-for-section",
        ),
        pytest.param(
            "memory: {ram_budget: 64 KiB}", "memory:", "7:8: memory: nothing", ["a section"], id="nothing-for-section"
        ),
        pytest.param(
            "epochs: 2",
            "trainable_layers: 5",
            "5:21: training.trainable_layers: 5 layers",
            ["at most 4"],
            id="more-layers-than-there-are",
        ),
        pytest.param(
            "epochs: 2", "? [a]\n  : b", "5:5: training: a key is no text", ["expected a name"], id="key-that-is-a-list"
        ),
        pytest.param(
            "good",
            "!!python/object/apply:os.system [ls]",
            "1:7: name: tag",
            ["is not allowed"],
            id="tag-that-would-run-code",
        ),
        pytest.param("good", "!!int x", "1:7: name: 'x' is no number", [], id="tag-that-does-not-hold"),
        pytest.param(
            "platform: rp2040", "<<: {platform: rp2040}\nplatform: rp2040", "8:1: <<: unknown key", [], id="merge-key"
        ),
        pytest.param(
            "{name: digits-cnn}", "{}", "2:8: model: no network", ["'name', 'layers' or 'onnx'"], id="no-network"
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{name: digits-cnn, layers: [{type: flatten}]}",
            "2:35: model.layers: both",
            ["one of them"],
            id="two-networks",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{name: fmnist-cnn}",
            "2:15: model.name: fmnist-cnn reads images of 28x28x1",
            ["8x8x1"],
            id="network-for-other-data",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{layers: []}",
            "2:17: model.layers: a list has the wrong length",
            ["at least 1"],
            id="no-layers",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{layers: [{type: dens}]}",
            "2:18: model.layers[0]: unknown layer type 'dens'",
            ["did you mean 'dense'?"],
            id="unknown-layer",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{layers: [{units: 10}]}",
            "2:18: model.layers[0]: a layer without 'type'",
            ["conv2d"],
            id="layer-without-type",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{layers: [dense]}",
            "2:18: model.layers[0]: 'dense'",
            ["a layer such as"],
            id="text-for-layer",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{layers: [{type: dense, units: 10, unit: 3}]}",
            "2:43: model.layers[0].unit: unknown key",
            ["did you mean 'units'?"],
            id="unknown-key-of-layer",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{layers: [{type: dense, units: yes}]}",
            "2:39: model.layers[0].units: 'yes'",
            ["a whole number"],
            id="text-for-units",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{layers: [{type: dense, units: 10}]}",
            "2:18: model.layers[0]: dense needs a vector",
            ["flatten"],
            id="layer-that-does-not-fit",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{layers: [{type: conv2d, filters: 2, kernel: 9}]}",
            "2:18: model.layers[0]: conv2d with a window of 9x9",
            ["does not fit"],
            id="kernel-that-does-not-fit",
        ),
        pytest.param(
            "{name: digits-cnn}",
            "{layers: [{type: flatten}, {type: dense, units: 9}]}",
            "2:35: model.layers[1]: gives outputs of 9",
            ["expected 10"],
            id="outputs-that-are-not-the-classes",
        ),
        pytest.param(
            "  epochs: 2",
            "  method: paper\n  quantization: {rounding: stochastic}",
            "6:28: training.quantization.rounding: quantization.rounding stochastic contradicts method paper",
            ["expected nearest, no such key, or method harness"],
            id="key-against-method",
        ),
    ],
)
def test_each_mistake_is_one_line_at_its_key_or_value(
    tmp_path: Path, old: str, new: str, place: str, parts: list[str]
) -> None:
    assert GOOD.count(old) == 1
    line = only(tmp_path, GOOD.replace(old, new))
    assert line.startswith(place), line
    for part in parts:
        assert part in line, line


def test_a_method_of_the_matrix_is_blamed_for_what_it_contradicts(tmp_path: Path) -> None:
    text = GOOD.replace("epochs: 2", "schedule: {name: step}") + "matrix: {training.method: [harness, paper]}\n"
    assert "10:37: training.method: schedule.name step contradicts method paper" in only(tmp_path, text)


def test_all_independent_mistakes_are_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("digits-cnn", "x").replace("epochs: 2", "epochs: -1").replace("rp2040", "y")
    text += "trainin: 3\nmatrix: {training.dtype: [uint9], nokey: [1]}\n"
    lines = complaints(tmp_path, text)
    assert [line.split(" ")[1] for line in lines] == [
        "model.name:",
        "training.epochs:",
        "platform:",
        "trainin:",
        "matrix.training.dtype[0]:",
        "matrix.nokey:",
    ]


def test_very_many_mistakes_are_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(GOOD + "".join(f"key{index}: 1\n" for index in range(100)))
    with pytest.raises(InputError) as caught:
        read_scenarios(path)
    assert len(caught.value.lines) == 51
    assert caught.value.lines[-1] == f"{path}: and 50 more"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: [a, b\nmodel: x\n", "2:6: document: YAML syntax error"),
        ("name: 'open\n", "2:1: document: YAML syntax error"),
        ("name: a\n\tmodel: b\n", "2:1: document: YAML syntax error"),
        ("a: *nowhere\n", "1:4: document: YAML syntax error"),
        ("a: 1\n---\nb: 2\n", "2:1: document: YAML syntax error"),
        ("a: b: c\n", "1:5: document: YAML syntax error"),
        ("", "1:1: document: empty file"),
        ("# nothing\n", "1:1: document: empty file"),
        ("- a\n", "1:1: document: no mapping"),
        ("just text\n", "1:1: document: no mapping"),
        ("name: a\x07b\n", "1:8: document: character #x0007 is not allowed"),
    ],
)
def test_text_that_is_no_scenario_is_one_line(tmp_path: Path, text: str, place: str) -> None:
    assert only(tmp_path, text).startswith(place)


def test_binary_data_is_named_as_such(tmp_path: Path) -> None:
    assert "binary data" in only(tmp_path, b"\x7fELF\x01\x01\x00\x00\xff")
    assert only(tmp_path, b"name: a\nmodel: \xff\xfe\n").startswith("2:8: binary data or another encoding")


def bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines)


def test_an_anchor_bomb_is_refused_by_the_number_of_its_values(tmp_path: Path) -> None:
    assert f"too many values through aliases; expected at most {MAX_NODES}" in only(tmp_path, bomb())


def test_an_alias_to_itself_is_refused(tmp_path: Path) -> None:
    assert only(tmp_path, "a: 1\nb: &b [*b]\n").startswith("2:1: b: nested too deeply through aliases")


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a: " + "{b: " * 5000, "".join(" " * n + "a:\n" for n in range(300)), "- " * 5000]
)
def test_deep_nesting_is_refused(tmp_path: Path, text: str) -> None:
    assert "nested too deeply; expected at most" in only(tmp_path, text)


def test_too_many_values_are_refused(tmp_path: Path) -> None:
    assert f"too many values; expected at most {MAX_NODES}" in only(tmp_path, "a: [" + "1," * (MAX_NODES + 1) + "]")


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    assert "larger than 128 KiB" in only(tmp_path, b"#" * (MAX_FILE_BYTES + 1))


def test_a_folder_is_no_scenario(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder; expected a YAML file$"):
        read_scenarios(tmp_path)


def test_a_missing_file_names_its_nearest_neighbour(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text(GOOD)
    with pytest.raises(InputError, match=r"no such file; expected a YAML file; did you mean '.*/quickstart.yaml'\?$"):
        read_scenarios(tmp_path / "quikstart.yaml")


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000, "no/such/folder.yaml", "s.yaml/inside"])
def test_a_path_that_cannot_be_opened_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    with pytest.raises(InputError, match=r"expected a YAML file|cannot be read") as caught:
        read_scenarios(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_pipe_is_no_scenario_and_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is no regular file"):
        read_scenarios(pipe)
