"""Twins of small networks, linked from objects that all plans share: much faster than a build for each."""

from __future__ import annotations

import os
from pathlib import Path

from native_builds import FIRMWARE, built, run

from harness.build import plan_source
from harness.plan import Deployment, Plan


def twin(plan: Plan, deployment: Deployment, folder: Path, *, sanitized: bool = False) -> Path:
    """Return the twin of `plan`, linked in `folder` from objects that all plans share."""
    tree = built("host-sanitize" if sanitized else "host", "firmware_objects")
    objects = sorted((tree / "CMakeFiles" / "firmware_objects.dir").rglob("*.o"))
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if sanitized else []
    source, executable = folder / "plan.c", folder / "twin"
    source.write_text(plan_source(plan, deployment))
    run(os.environ.get("CC", "cc"), "-std=c11", *flags, "-I", FIRMWARE, source, *objects, "-lm", "-o", executable)
    return executable
