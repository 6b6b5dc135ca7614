"""Data of the user in a scenario: where it may lie, and what is said when it is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_folders import generator, idx_folder
from small_scenarios import documents, run, write_scenario

from harness.errors import InputError
from harness.scenario import Scenario, read_scenarios

LAYERS = {"layers": [{"type": "flatten"}, {"type": "dense", "units": 2}]}


def own_npz(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x=generator().normal(0, 1, (50, 6, 2)).astype(np.float32), y=np.arange(50) % 2)
    return path


def own(folder: Path, file: str, **more: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = {"name": "npz", "file": file, "train": 40, "test": 10, **more}
    return write_scenario(
        folder / "s.yaml", model=LAYERS, dataset=data, training={"epochs": 2}, engine={"steps": 2, "evaluate": 2}
    )


def only(path: Path) -> Scenario:
    (scenario,) = read_scenarios(path)
    return scenario


def test_a_relative_file_is_looked_for_beside_the_scenario_then_here_then_in_the_data_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, data, project = tmp_path / "here", tmp_path / "data", tmp_path / "project"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HARNESS_DATA", f"{tmp_path / 'other'}:{data}")
    scenario = own(project, "sub/a.npz")
    for folder in (data, here, project):
        own_npz(folder / "sub" / "a.npz")
        assert only(scenario).origin().path == folder / "sub" / "a.npz"


@pytest.mark.parametrize(
    "written", ["/etc/passwd", "../secret.npz", "sub/../../secret.npz", "link.npz", "links/secret.npz", "~/x.npz"]
)
def test_a_scenario_cannot_name_a_file_outside_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    project, here = tmp_path / "project", tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    own_npz(tmp_path / "secret.npz")
    scenario = own(project, written)
    (project / "sub").mkdir()
    (project / "link.npz").symlink_to(tmp_path / "secret.npz")
    (project / "links").symlink_to(tmp_path)
    with pytest.raises(InputError) as caught:
        read_scenarios(scenario)
    message = str(caught.value)
    assert f"dataset.file: {written} leads out of the folders a scenario may read" in message
    assert message.startswith(f"{scenario}:")
    assert str(project) in message
    assert "HARNESS_DATA can name more" in message


def test_a_data_folder_makes_files_in_it_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = own_npz(tmp_path / "data" / "a.npz")
    scenario = own(tmp_path / "project", str(secret))
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    assert only(scenario).dataset_info().shape == (1, 6, 2)


def test_without_a_folder_the_publishers_name_of_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    project = tmp_path / "project"
    project.mkdir()
    ten = {"layers": [{"type": "flatten"}, {"type": "dense", "units": 10}]}
    scenario = write_scenario(project / "s.yaml", model=ten, dataset={"name": "kmnist", "train": 60, "test": 20})
    with pytest.raises(InputError, match=r"s\.yaml:\d+:\d+: dataset\.name: .*kmnist: no such folder; get the four"):
        read_scenarios(scenario)
    idx_folder(tmp_path / "data" / "kmnist", ("train", "t10k"), 10)
    assert only(scenario).origin().path == tmp_path / "data" / "kmnist"
    (tmp_path / "data" / "kmnist" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"dataset\.name: .*train-labels-idx1-ubyte\.gz: no such file; get the four"):
        read_scenarios(scenario)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"name": "npz"}, r"dataset\.name: no file for npz; expected the key 'file'"),
        (
            {"name": "digits", "file": "a.npz"},
            r"dataset\.file: file is not for digits; expected it with the name npz or csv",
        ),
        ({"name": "npz", "file": "a.npz", "folder": "b"}, r"dataset\.folder: folder is not for npz"),
        ({"name": "npz", "file": "a.npz", "test_file": "b"}, r"dataset\.test_file: test_file is not for npz"),
        ({"name": "digits", "shape": [1, 2, 3]}, r"dataset\.shape: shape is not for digits"),
        ({"name": "digits", "shape": [1, 2]}, r"dataset\.shape: .* expected a list of 3 whole numbers from 1 to 65535"),
        (
            {"name": "digits", "shape": [1, 2, 0]},
            r"dataset\.shape: .* expected a list of 3 whole numbers from 1 to 65535",
        ),
        (
            {"name": "mnist", "folder": "x"},
            r"dataset\.folder: folder is not for mnist; expected it with the name a data set",
        ),
        ({"name": "npz", "file": "absent.npz"}, r"dataset\.file: .*absent\.npz: no such file"),
        ({"name": "npz", "file": "a\\0b"}, r"dataset\.file: .*"),
        ({"name": "npz", "file": "."}, r"dataset\.file: .*: is no regular file"),
    ],
)
def test_keys_that_do_not_fit_the_name_are_told(tmp_path: Path, data: dict[str, object], complaint: str) -> None:
    path = write_scenario(tmp_path / "s.yaml", model=LAYERS, dataset={"train": 40, "test": 10, **data})
    with pytest.raises(InputError, match=complaint):
        read_scenarios(path)


def test_a_run_on_ones_own_samples_trains_and_tells_their_number(tmp_path: Path) -> None:
    own_npz(tmp_path / "a.npz")
    done = run("s.yaml", "-o", "out", cwd=own(tmp_path, "a.npz").parent)
    assert done.returncode == 0, done.stderr
    (document,) = documents(tmp_path / "out")
    assert document["settings"]["dataset"]["file"] == "a.npz"
    own(tmp_path, "a.npz", train=41)
    refused = run("s.yaml", "-o", "out", cwd=tmp_path)
    assert refused.returncode == 2
    assert "dataset.train: 41 samples; expected at most 40, a.npz has no more" in refused.stderr


def test_lists_of_a_matrix_stand_in_the_label(tmp_path: Path) -> None:
    path = write_scenario(
        tmp_path / "s.yaml",
        model={"name": "series-cnn"},
        dataset={"name": "imu-activity", "train": 24, "test": 20},
        matrix={"dataset.shift.subjects": [[8], [9, 10]]},
    )
    assert [scenario.label for scenario in read_scenarios(path)] == ["small[8]", "small[9+10]"]
