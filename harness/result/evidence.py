"""What a run leaves behind beside its result, so that it can be explained without another emulation."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from harness.assets import content_hash, write_atomically
from harness.errors import InputError
from harness.result.document import Document, Evidence, StoredFile
from harness.result.layout import Layout

TRACES = "traces"
FIRMWARE = "firmware"
WEIGHTS = "weights"
UART = "uart"
"""Folders beside the results, with an entry a run."""


def store_file(folder: Path, name: str, data: bytes) -> StoredFile:
    """Write `data` to the file `name` of an output folder, unless it is there, and return how a result refers to it."""
    path = folder / name
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data)
    return StoredFile(name=name, content=content_hash([data]))


def evidence_of(document: Document, folder: Path) -> Evidence:
    """Return which files of `folder` explain a run. Raises InputError when there are none."""
    label = document.run.label or document.run.id
    if document.status == "failed":
        raise InputError(f"{folder}: {label} failed and has nothing to explain: {document.reason}")
    if document.evidence is None:
        raise InputError(
            f"{folder}: {label} was stored without its trace, by harness {document.provenance.harness}; expected a "
            f"result of this version: harness run {document.run.file} -o {folder}"
        )
    return document.evidence


def stored_path(folder: Path, file: StoredFile) -> Path:
    """Return the path of a stored file.

    Raises InputError when it is gone, or holds something else than the result says.
    """
    path = folder / file.name
    try:
        found = content_hash([path.read_bytes()])
    except OSError as error:
        raise InputError(f"{path}: cannot read what the run stored: {error.strerror}; run it again") from error
    if found != file.content:
        raise InputError(f"{path}: is not the file of this run any more (content {found}, expected {file.content})")
    return path


def read_layout(folder: Path, file: StoredFile) -> Layout:
    """Return a stored memory layout. Raises InputError as `stored_path` does, or when it is not one."""
    path = stored_path(folder, file)
    try:
        return Layout.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: no memory layout of this harness: {error.errors()[0]['msg']}") from error
