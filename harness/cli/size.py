"""Sizes as options of the command line."""

from __future__ import annotations

from harness.errors import InputError


def size_bytes(option: str, text: str) -> int:
    """Return the bytes that `text` means, such as `500 MiB`; raises InputError that names `option`."""
    from harness.quantity import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None
