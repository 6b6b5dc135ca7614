"""One finished run of the small scenario for all tests that read results, made once a process."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from small_scenarios import run, write_scenario

TRAINING = {"epochs": 2, "batch_size": 8, "dtype": "uint8", "update": {"min_ratio": 0.5}}


@cache
def small_run() -> Path:
    """Return the output folder of the small scenario, trained in uint8."""
    place = Path(tempfile.mkdtemp(prefix="small-run-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    write_scenario(place / "small.yaml", training=TRAINING)
    result = run("small.yaml", "-o", "out", cwd=place)
    assert result.returncode == 0, result.stderr
    return place / "out"
