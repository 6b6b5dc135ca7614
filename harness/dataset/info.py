"""What is known about one data set without reading it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DatasetInfo:
    """One data set: shape of a sample as (height, width, channels), number of classes, and how many samples exist.

    `split` tells whether training and test samples are apart beforehand: by the publisher, by subject, by recording or
    by a fixed seed. Otherwise both are drawn from one pool, and `train_samples` and `test_samples` are each the size of
    that pool. `package` names what is fetched, `download_bytes` its size; both are empty when nothing has to be.
    `stands_for` says which data of the paper it takes the place of.

    `obtain` is empty for a set from a package. For one of publishers' files it says which file to get where and what to
    do with it, `folder` is the publisher's name of the folder, and the numbers of samples are those of the publisher:
    fewer are there when a folder lacks some of its files, or when samples are copies of others. Where the publisher
    counts no samples (recordings that are cut into windows), both are 0.

    `held_out` are the subjects or loads, as `groups` says, of which no sample is in the training part: data of a domain
    that is new to a network trained on it.
    """

    name: str
    title: str
    shape: tuple[int, int, int]
    classes: int
    train_samples: int
    test_samples: int
    split: bool
    licence: str
    source: str
    stands_for: str = ""
    package: str = ""
    download_bytes: int = 0
    non_commercial: bool = False
    obtain: str = ""
    folder: str = ""
    groups: Literal["", "subjects", "loads"] = ""
    held_out: tuple[int, ...] = ()
    is_spectrogram: bool = False

    @property
    def is_image(self) -> bool:
        """Return whether a sample is a picture, which can be turned and mirrored: not a series, not a spectrogram."""
        return self.shape[0] > 1 and self.shape[1] > 1 and not self.is_spectrogram

    @property
    def remedy(self) -> str:
        """Return what to do when the publisher's files are missing."""
        return f"{self.obtain}, and name its folder by dataset.folder"

    @property
    def fetch_command(self) -> str:
        """Return the command that fetches the data set."""
        return f"harness data fetch {self.name}{' --accept-licence' if self.non_commercial else ''}"

    @property
    def amount(self) -> str:
        """Return `60000 + 10000`, `1797 in all` or `by the files`."""
        if not self.train_samples:
            return "by the files"
        return f"{self.train_samples} + {self.test_samples}" if self.split else f"{self.train_samples} in all"

    def excess(self, train: int, test: int) -> tuple[str, str] | None:
        """Return the key `train` or `test` that asks for more samples than there are, and what is wrong; else None."""
        if not self.train_samples:
            return None
        for key, wanted, most in (("train", train, self.train_samples), ("test", test, self.test_samples)):
            if wanted > most:
                return key, f"{wanted} samples; expected at most {most}, {self.name} has no more"
        if not self.split and train + test > self.train_samples:
            left = self.train_samples - train
            return (
                "test" if left else "train",
                f"{train} training and {test} test samples; expected at most {self.train_samples} together, "
                f"{self.name} has no more",
            )
        return None
