"""Errors that reach a user, each with the exit status it causes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

EXIT_OK = 0
EXIT_REGRESSION = 1
EXIT_BAD_INPUT = 2
EXIT_FAILURE = 3


class HarnessError(Exception):
    """Base of all errors a user may see as one message without a traceback."""

    exit_status = EXIT_FAILURE


class InputError(HarnessError):
    """The input is wrong: a scenario, a file or an argument. One or more lines, each complete in itself."""

    exit_status = EXIT_BAD_INPUT

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class BudgetError(InputError):
    """The plan does not fit the RAM or flash budget."""


class MissingToolError(HarnessError):
    """A program or library the work needs is absent; the message names the command that installs it."""


class BuildError(HarnessError):
    """The compiler or linker refused the firmware."""


class EngineError(HarnessError):
    """An engine could not run the firmware to its end, or a self-check of its counts failed.

    `records` are what the UART carried until then.
    """

    records: tuple[dict[str, Any], ...] = ()


class FaultError(EngineError):
    """The firmware faulted; the message carries the decoded function and source line."""


class AgreementError(HarnessError):
    """Twin and target differ."""


def message_of(error: Exception) -> str:
    """Return what a user reads about `error`: its own message when it is meant for users."""
    if isinstance(error, HarnessError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return f"internal error: {type(error).__name__}: {error} (HARNESS_DEBUG=1 shows where)"


def nearest(word: str, choices: Iterable[str]) -> str:
    """Name what `word` may have meant: `did you mean 'x'? (one of: ...)`."""
    known = sorted(choices)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}(one of: {', '.join(known)})"
