"""The matrix: product, exclude, include, labels, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.scenario import Scenario, read_scenarios
from harness.scenario.matrix import MAX_ENTRIES

BASE = """\
name: m
model: {name: digits-cnn}
dataset: {name: digits, train: 100, test: 50}
platform: rp2040
engine: {steps: 8}
"""
FIRST_LINE = BASE.count("\n") + 1


def expand(folder: Path, matrix: str) -> list[Scenario]:
    path = folder / "m.yaml"
    path.write_text(f"{BASE}matrix:\n{matrix}")
    return read_scenarios(path)


def labels(folder: Path, matrix: str) -> list[str]:
    return [scenario.label for scenario in expand(folder, matrix)]


def complaints(folder: Path, matrix: str) -> list[str]:
    """Lines said about the file, without its name; line numbers count from `matrix:` as 0."""
    with pytest.raises(InputError) as caught:
        expand(folder, matrix)
    found = []
    for line in caught.value.lines:
        number, rest = line.removeprefix(f"{folder / 'm.yaml'}:").split(":", 1)
        found.append(f"{int(number) - FIRST_LINE}:{rest}")
    return found


def test_the_lists_give_every_combination_and_the_first_key_varies_slowest(tmp_path: Path) -> None:
    runs = expand(tmp_path, "  training.dtype: [uint8, float32]\n  training.update.min_ratio: [1.0, 50 %]\n")
    assert [run.label for run in runs] == ["m[uint8,1.0]", "m[uint8,50%]", "m[float32,1.0]", "m[float32,50%]"]
    assert [run.training.update.min_ratio for run in runs] == [1.0, 0.5, 1.0, 0.5]
    assert runs[3].matrix_values == {"training.dtype": "float32", "training.update.min_ratio": 0.5}


def test_a_matrix_value_replaces_that_of_the_file_and_only_that(tmp_path: Path) -> None:
    runs = expand(tmp_path, "  platform: [nrf52840]\n  engine.evaluate: [0, 3]\n")
    assert [(run.platform, run.engine.steps, run.engine.evaluate) for run in runs] == [
        ("nrf52840", 8, 0),
        ("nrf52840", 8, 3),
    ]


def test_a_key_that_a_run_needs_may_come_from_the_matrix_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "name: m\nmodel: {}\ndataset: {train: 100, test: 50}\n"
        "matrix: {model.name: [digits-cnn], dataset.name: [digits], platform: [rp2040, nrf52840]}\n"
    )
    assert [run.label for run in read_scenarios(path)] == [
        "m[digits-cnn,digits,rp2040]",
        "m[digits-cnn,digits,nrf52840]",
    ]


def test_exclude_removes_combinations_with_all_the_values_of_an_entry(tmp_path: Path) -> None:
    lists = "  platform: [rp2040, nrf52840]\n  training.dtype: [uint8, float32]\n"
    assert labels(tmp_path, lists + "  exclude: [{platform: rp2040, training.dtype: float32}]\n") == [
        "m[rp2040,uint8]",
        "m[nrf52840,uint8]",
        "m[nrf52840,float32]",
    ]
    assert labels(tmp_path, lists + "  exclude: [{platform: rp2040}]\n") == ["m[nrf52840,uint8]", "m[nrf52840,float32]"]


def test_values_are_compared_by_meaning_not_by_spelling(tmp_path: Path) -> None:
    matrix = "  training.update.min_ratio: [0.5, 1]\n  exclude: [{training.update.min_ratio: 50 %}]\n"
    assert labels(tmp_path, matrix) == ["m[1]"]
    (line,) = complaints(tmp_path, "  memory.ram_budget: [64 KiB, 65536]\n")
    assert line.startswith("1:31: matrix.memory.ram_budget[1]: value listed twice")


def test_include_follows_the_documented_example_of_ci_systems(tmp_path: Path) -> None:
    # The example of GitHub's documentation, with fruit as platform, animal as dtype, and its three added keys.
    matrix = """\
  platform: [rp2040, nrf52840]
  training.dtype: [uint8, float32]
  include:
    - {training.epochs: 5}
    - {training.epochs: 6, training.dtype: uint8}
    - {platform: rp2040, training.seed: 7}
    - {platform: imxrt1062}
    - {platform: imxrt1062, training.dtype: uint8}
"""
    runs = expand(tmp_path, matrix)
    assert [run.label for run in runs] == [
        "m[rp2040,uint8,training.epochs=6,training.seed=7]",
        "m[rp2040,float32,training.epochs=5,training.seed=7]",
        "m[nrf52840,uint8,training.epochs=6]",
        "m[nrf52840,float32,training.epochs=5]",
        "m[platform=imxrt1062]",
        "m[imxrt1062,uint8]",
    ]
    assert [run.training.epochs for run in runs] == [6, 5, 6, 5, 3, 3]


def test_exclude_comes_before_include(tmp_path: Path) -> None:
    matrix = "  platform: [rp2040, nrf52840]\n  exclude: [{platform: rp2040}]\n  include: [{platform: rp2040}]\n"
    assert labels(tmp_path, matrix) == ["m[nrf52840]", "m[rp2040]"]


def test_include_alone_lists_the_runs(tmp_path: Path) -> None:
    matrix = "  include:\n    - {platform: rp2040}\n    - {platform: nrf52840, training.dtype: float32}\n"
    assert labels(tmp_path, matrix) == ["m[platform=rp2040]", "m[platform=nrf52840,training.dtype=float32]"]


def test_labels_stay_the_same_when_a_value_is_added(tmp_path: Path) -> None:
    before = labels(tmp_path, "  platform: [rp2040]\n  training.dtype: [uint8]\n")
    after = labels(tmp_path, "  platform: [nrf52840, rp2040]\n  training.dtype: [float32, uint8]\n")
    assert set(before) < set(after)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        pytest.param("  {}\n", "1:3: matrix: empty matrix; expected keys with lists", id="empty"),
        pytest.param("  \n", "0:8: matrix: empty matrix", id="nothing"),
        pytest.param("  [a]\n", "1:3: matrix: empty matrix", id="list"),
        pytest.param(
            "  platform: []\n", "1:13: matrix.platform: empty list; expected at least one value", id="empty-list"
        ),
        pytest.param("  platform: rp2040\n", "1:13: matrix.platform: no list; expected a list of values", id="no-list"),
        pytest.param(
            "  training.dtyp: [uint8]\n",
            "1:3: matrix.training.dtyp: unknown key; expected a known name; did you mean 'training.dtype'?",
            id="unknown-key",
        ),
        pytest.param(
            "  training: [{}]\n",
            "1:3: matrix.training: a section; expected one of its keys: training.method,",
            id="section",
        ),
        pytest.param("  name: [a, b]\n", "1:3: matrix.name: this key cannot be varied", id="name"),
        pytest.param("  model.layers: [[]]\n", "1:3: matrix.model.layers: this key cannot be varied", id="layers"),
        pytest.param(
            "  training.dtype: [uint8, int8]\n",
            "1:27: matrix.training.dtype[1]: unknown dtype 'int8'; expected one of float32, mixed, uint8",
            id="wrong-value",
        ),
        pytest.param(
            "  training.update.min_ratio: [0.5, 1.5]\n",
            "1:36: matrix.training.update.min_ratio[1]: 1.5 is out of range",
            id="out-of-range",
        ),
        pytest.param(
            "  training.epochs: [yes]\n",
            "1:21: matrix.training.epochs[0]: 'yes' is of the wrong type",
            id="yes-for-number",
        ),
        pytest.param(
            "  training.epochs: [true]\n",
            "1:21: matrix.training.epochs[0]: true is of the wrong type",
            id="boolean-for-number",
        ),
        pytest.param(
            "  training.learning_rate: [.nan]\n",
            "1:28: matrix.training.learning_rate[0]: nan is out of range",
            id="nan",
        ),
        pytest.param("  platform: [rp2040, rp2040]\n", "1:22: matrix.platform[1]: value listed twice", id="twice"),
        pytest.param(
            "  platform: [rp2040]\n  platform: [rp2040]\n", "2:3: matrix.platform: duplicate key", id="duplicate-key"
        ),
        pytest.param(
            "  platform: [rp2040]\n  exclude: {platform: rp2040}\n",
            "2:12: matrix.exclude: no list",
            id="exclude-no-list",
        ),
        pytest.param(
            "  platform: [rp2040]\n  exclude: [rp2040]\n", "2:13: matrix.exclude[0]: no entry", id="exclude-no-entry"
        ),
        pytest.param(
            "  platform: [rp2040]\n  exclude: [{}]\n", "2:13: matrix.exclude[0]: no entry", id="exclude-empty-entry"
        ),
        pytest.param(
            "  platform: [rp2040]\n  exclude: [{platform: nrf52840}]\n",
            "2:13: matrix.exclude[0]: matches no combination",
            id="exclude-matches-nothing",
        ),
        pytest.param(
            "  platform: [rp2040]\n  exclude: [{training.dtype: uint8}]\n",
            "2:30: matrix.exclude[0].training.dtype: no key of this matrix",
            id="exclude-other-key",
        ),
        pytest.param(
            "  platform: [rp2040]\n  exclude: [{platform: rp2040}]\n",
            "1:3: matrix: empty matrix; expected at least one combination",
            id="exclude-everything",
        ),
        pytest.param(
            "  platform: [rp2040]\n  include: [{platfrom: nrf52840}]\n",
            "2:14: matrix.include[0].platfrom: unknown key",
            id="include-unknown-key",
        ),
        pytest.param(
            "  platform: [rp2040]\n  include: [{platform: nosuch}]\n",
            "2:24: matrix.include[0].platform: unknown platform 'nosuch'",
            id="include-wrong-value",
        ),
        pytest.param(
            "  platform: [rp2040]\n  include: [{platform: nrf52840}, {platform: nrf52840}]\n",
            "2:35: matrix.include[1]: the run [nrf52840] is there already",
            id="include-twice",
        ),
        pytest.param(
            "  training.update.max_ratio: [1.0, 0.05]\n",
            "1:36: training.update.max_ratio: min_ratio 0.1 is above max_ratio 0.05",
            id="conflict-with-the-file",
        ),
        pytest.param(
            "  engine.steps: [8, 301]\n",
            "1:21: engine.steps: 301 steps, but the training has only 300",
            id="conflict-of-sections",
        ),
        pytest.param(
            "  model.name: [digits-cnn, fmnist-cnn]\n",
            "1:28: model.name: fmnist-cnn reads images of 28x28x1",
            id="network-for-other-data",
        ),
    ],
)
def test_each_mistake_is_one_line_at_the_key_or_value_of_the_matrix(tmp_path: Path, matrix: str, expected: str) -> None:
    lines = complaints(tmp_path, matrix)
    assert len(lines) == 1, lines
    assert lines[0].startswith(expected), lines[0]


def test_a_matrix_that_is_too_large_is_refused_before_it_is_expanded(tmp_path: Path) -> None:
    numbers = ", ".join(str(n) for n in range(1, 401))
    (line,) = complaints(
        tmp_path, f"  training.seed: [{numbers}]\n  dataset.seed: [{numbers}]\n  training.epochs: [{numbers}]\n"
    )
    assert line == "1:3: matrix: 64000000 combinations; expected at most 4096"


def test_the_number_of_entries_is_bounded(tmp_path: Path) -> None:
    entries = "".join(f"    - {{training.seed: {n}}}\n" for n in range(MAX_ENTRIES + 1))
    (line,) = complaints(tmp_path, f"  platform: [rp2040]\n  include:\n{entries}")
    assert line == f"3:5: matrix.include: {MAX_ENTRIES + 1} entries; expected at most {MAX_ENTRIES}"


def test_the_same_mistake_in_many_runs_is_said_once(tmp_path: Path) -> None:
    lines = complaints(tmp_path, "  engine.steps: [999]\n  training.dtype: [uint8, float32]\n  training.seed: [1, 2]\n")
    assert len(lines) == 1
