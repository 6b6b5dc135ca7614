"""Which files and which runs the command line means."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_scenarios import write_scenario

from harness.cli.expected_runs import expected_runs
from harness.cli.scenario_files import scenario_files
from harness.errors import InputError
from harness.scenario import Scenario, read_scenarios
from harness.scenario.selection import select

MATRIX = {"platform": ["nrf52840", "rp2040"], "training.dtype": ["uint8", "float32"]}


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> list[Scenario]:
    folder = tmp_path_factory.mktemp("scenarios")
    first = write_scenario(folder / "first.yaml", name="first", tags=["small", "nightly"], matrix=MATRIX)
    second = write_scenario(folder / "second.yaml", name="second", tags=["large"])
    return [*read_scenarios(first), *read_scenarios(second)]


def labels(found: list[Scenario]) -> list[str]:
    return [scenario.label for scenario in found]


@pytest.mark.parametrize(
    ("wanted", "unwanted", "expected"),
    [
        ([], [], ["nrf52840,uint8", "nrf52840,float32", "rp2040,uint8", "rp2040,float32", "second"]),
        (["second"], [], ["second"]),
        (["first"], [], ["nrf52840,uint8", "nrf52840,float32", "rp2040,uint8", "rp2040,float32"]),
        (["sec*"], [], ["second"]),
        (["first[nrf52840,uint8]"], [], ["nrf52840,uint8"]),
        (["first[*,uint8]"], [], ["nrf52840,uint8", "rp2040,uint8"]),
        (["tag:large"], [], ["second"]),
        (["tag:*ght*"], ["dtype=uint8"], ["nrf52840,float32", "rp2040,float32"]),
        (["platform=rp2040", "second"], [], ["rp2040,uint8", "rp2040,float32", "second"]),
        (["training.dtype=float*"], ["platform=rp2040"], ["nrf52840,float32", "second"]),
        ([], ["tag:small"], ["second"]),
        (["dataset=digits"], ["update.min_ratio=0.5"], None),
    ],
)
def test_runs_are_selected_by_name_tag_or_key(
    scenarios: list[Scenario], wanted: list[str], unwanted: list[str], expected: list[str] | None
) -> None:
    if expected is None:
        with pytest.raises(InputError, match="--exclude leaves none of the 5 runs"):
            select(scenarios, wanted, unwanted)
    else:
        names = [name if name == "second" else f"first[{name}]" for name in expected]
        assert labels(select(scenarios, wanted, unwanted)) == names


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tag:smal", "--select tag:smal: means none of the 5 runs; .*did you mean 'small'"),
        ("dtyp=uint8", "unknown key 'dtyp'; .*did you mean 'dtype'"),
        ("dtype=uint9", "--select dtype=uint9: means none of the 5 runs; .*did you mean 'uint8'"),
        ("secnod", "--select secnod: means none of the 5 runs; .*did you mean 'second'"),
    ],
)
def test_a_word_that_means_nothing_names_the_nearest(scenarios: list[Scenario], word: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        select(scenarios, [word], [])


def test_folders_and_patterns_mean_their_scenario_files_each_once(tmp_path: Path) -> None:
    names = ("b.yaml", "a.yml", "deep/c.yaml", "deep/notes.txt", ".hidden/d.yaml")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    a, b, c = (tmp_path / name for name in ("a.yml", "b.yaml", "deep/c.yaml"))
    assert scenario_files([tmp_path]) == [a, b, c]
    assert scenario_files([b, tmp_path]) == [b, a, c]
    assert scenario_files([tmp_path / "**" / "*.yaml"]) == [tmp_path / ".hidden/d.yaml", b, c]
    assert scenario_files([tmp_path / "none.yaml"]) == [tmp_path / "none.yaml"]
    for empty in (tmp_path / "*.json", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="no scenario files"):
            scenario_files([empty])


def test_expected_times_tell_the_known_from_the_unknown() -> None:
    assert expected_runs({"a": 30.0, "bb": 0.0, "c": None}, 2) == [
        "a   about 30 s",
        "bb  in the cache",
        "c   unknown",
        "3 runs, 2 at a time: about 15 s, and 1 of unknown time",
    ]
    assert expected_runs({"a": None}, 1)[-1] == "1 run, 1 at a time: unknown time"
