"""What is kept of a run that failed: the script, the log and the data, for Renode by hand."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from harness.assets import cache_dir
from harness.engine.renode.session import LOG, SCRIPT

KEPT = "; Renode's log and script: "
"""What stands in a message before the path of the log."""

_MOST_KEPT = 20


def keep_failure(folder: Path) -> Path:
    """Copy the folder of a failed run into the user's cache and return the log there; the oldest of many go."""
    place = cache_dir() / "renode" / "failed"
    place.mkdir(parents=True, exist_ok=True)
    for old in sorted(place.iterdir())[: -_MOST_KEPT + 1]:
        shutil.rmtree(old, ignore_errors=True)
    kept = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=place))
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    script = kept / SCRIPT
    if script.exists():
        script.write_text(script.read_text("utf-8").replace(str(folder), str(kept)), "utf-8")
    return kept / LOG
