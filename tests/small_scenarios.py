"""A scenario that is emulated completely in well under a second, and `harness run` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "harness", "run"]

LAYERS = [
    {"type": "conv2d", "filters": 4, "kernel": 3, "activation": "relu"},
    {"type": "max_pool2d"},
    {"type": "flatten"},
    {"type": "dense", "units": 10},
]


def scenario(**changes: Any) -> dict[str, Any]:
    """Return a scenario of 48 steps on one board; `changes` replace whole sections."""
    return {
        "name": "small",
        "model": {"layers": LAYERS},
        "dataset": {"name": "digits", "train": 24, "test": 20, "seed": 1},
        "training": {"epochs": 2, "batch_size": 8, "dtype": "float32", "update": {"min_ratio": 0.5}},
        "memory": {"ram_budget": "64 KiB", "flash_budget": "256 KiB"},
        "platform": "nrf52840",
        "engine": {"steps": "all", "evaluate": 4},
        **changes,
    }


def write_scenario(path: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump(scenario(**changes), sort_keys=False))
    return path


def environment(**changes: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in {"HARNESS_DEBUG", "FORCE_COLOR"}}
    return {**inherited, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb", **changes}


def run(*arguments: str | Path, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def documents(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "results.json").read_text())["documents"]
    return found
