"""What a region took beside what it took at an earlier commit, as `harness profile --json` printed it then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError
from harness.pipeline.profile import RegionName, RegionProfile

_NUMBERS = ("instructions", "cycles", "stack_bytes")
_UNITS = {"instructions": "instructions", "cycles": "cycles", "stack_bytes": "bytes of stack"}


@dataclass(frozen=True)
class Change:
    """One number, then and now. `worse` when it has grown by more than was allowed."""

    unit: str
    before: float
    now: float
    worse: bool

    def __str__(self) -> str:
        share = "" if not self.before else f" ({self.now / self.before - 1:+.2%})"
        return f"{self.now:,.0f} {self.unit}, baseline {self.before:,.0f}{share}"


def changes(
    profile: RegionProfile, platform: str, region: RegionName | None, baseline: Path, tolerance: float
) -> list[Change]:
    """Compare `profile` with the file `baseline`; a number is worse when it is above by more than a `tolerance`.

    The tolerance is a share, such as 0.01. Raises InputError when the file is no such document, or one of another
    platform, region or cycle model.
    """
    try:
        document = json.loads(baseline.read_text("utf-8"))
        before = {key: float(document[key]) for key in _NUMBERS}
        made_for = {key: document[key] for key in ("platform", "region", "model")}
    except OSError as error:
        raise InputError(
            f"{baseline}: {error.strerror}; make it with: harness profile ... --json > {baseline}"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{baseline}: is no document of harness profile --json: {error}") from None
    asked = {"platform": platform, "region": region and str(region), "model": profile.model}
    for key, value in asked.items():
        if made_for[key] != value:
            raise InputError(f"{baseline}: {key}: made for '{made_for[key]}', this is '{value}'; make a new baseline")
    now = {key: float(getattr(profile, key)) for key in _NUMBERS}
    return [Change(_UNITS[key], before[key], now[key], now[key] > before[key] * (1 + tolerance)) for key in _NUMBERS]
