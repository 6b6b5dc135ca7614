"""Builds: what the plan does not change is compiled once, and a tree that was never finished is made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.assets import cache_dir
from harness.build import Build, build_firmware, plan_source
from harness.errors import BuildError
from harness.model import load_network
from harness.model.weights import initial_weights
from harness.plan import Affine, deploy, make_plan


def build(seed: int) -> Build:
    network = load_network("digits-cnn")
    plan = make_plan(network, "float32", "all")
    weights = initial_weights(network, seed)
    return build_firmware("host", {"plan.c": plan_source(plan, deploy(plan, weights, Affine.of_range(0, 1), None))})


def objects() -> dict[Path, int]:
    trees = (cache_dir() / "objects-1").glob("host-*/build/CMakeFiles/firmware_objects.dir/**/*.o")
    return {path: path.stat().st_mtime_ns for path in trees}


def test_runs_that_differ_in_their_weights_share_all_objects_but_the_plan() -> None:
    one = build(20_001)
    compiled = objects()
    assert compiled
    other = build(20_002)
    assert objects() == compiled
    assert one.executable.read_bytes() != other.executable.read_bytes()
    assert one.flags == other.flags


def test_the_objects_are_made_anew_when_configuring_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    with pytest.raises(BuildError, match="configuring the firmware"):
        build_firmware("host-unheard-of", {"plan.c": ""})
    (lock,) = (tmp_path / "objects-1").glob("*.lock")
    assert not (lock.with_suffix("") / "build" / "build.ninja").exists()
    with pytest.raises(BuildError, match="configuring the firmware"):
        build_firmware("host-unheard-of", {"plan.c": ""})
