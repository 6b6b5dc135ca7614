"""The Renode that tests run on, or why they do not."""

from functools import cache

import pytest

from harness.engine.renode.installation import HOW_TO_GET, find_renode


@cache
def _reason() -> str | None:
    renode = find_renode()
    if renode is None:
        return f"there is no Renode here: {HOW_TO_GET}"
    return None


def needs_renode():
    """Skip the calling test or fixture where there is no Renode; one that does not start is an error."""
    reason = _reason()
    if reason is not None:
        pytest.skip(reason)
