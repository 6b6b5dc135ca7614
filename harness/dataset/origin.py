"""Where the samples of a run come from: a name of the catalogue, and files of the user when the name needs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """A data set by its name in the catalogue.

    `path` is the folder with the publisher's files, or the user's own `.npz` or CSV file, `test_path` a CSV file of
    test samples; `label` names the label column of a CSV file and `shape` the (height, width, channels) of one of its
    samples, or of those of an `.npz` file. Paths are absolute and may be read; who made the origin has seen to that.
    """

    name: str
    path: Path | None = None
    test_path: Path | None = None
    label: str = "label"
    shape: tuple[int, int, int] | None = None
