"""Which line of an older source a line of a newer one is: a line that merely moved is the same line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cached_property

_ALIKE = 0.6


class Alignment:
    """The lines of two versions of a text, told by difflib; numbers count from 1.

    In a passage that was rewritten, lines are the same when their texts are alike to 60 %, in their order.
    """

    def __init__(self, before: str, after: str) -> None:
        self._before = [line.strip() for line in before.splitlines()]
        self._after = [line.strip() for line in after.splitlines()]

    @cached_property
    def _earlier(self) -> dict[int, int]:
        """Return the line before of each line after that has one."""
        found: dict[int, int] = {}
        matcher = difflib.SequenceMatcher(None, self._before, self._after, autojunk=False)
        for kind, start, end, begin, stop in matcher.get_opcodes():
            if kind == "equal":
                found |= dict(zip(range(begin + 1, stop + 1), range(start + 1, end + 1), strict=True))
            elif kind == "replace":
                found |= self._rewritten(range(start, end), range(begin, stop))
        return found

    def _rewritten(self, before: Sequence[int], after: Sequence[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        first = 0
        for new in after:
            for place in range(first, len(before)):
                old = before[place]
                if difflib.SequenceMatcher(None, self._before[old], self._after[new]).ratio() >= _ALIKE:
                    found[new + 1] = old + 1
                    first = place + 1
                    break
        return found

    def earlier(self, number: int) -> int | None:
        """Return the number that the line `number` of the newer text had; None when it is new."""
        return self._earlier.get(number)

    def is_rewritten(self, number: int) -> bool:
        """Say whether the line `number` of the newer text is new or reads differently than before."""
        old = self.earlier(number)
        return old is None or self._before[old - 1] != self._after[number - 1]
