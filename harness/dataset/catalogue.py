"""What is known about each data set without reading it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import InputError, nearest


@dataclass(frozen=True)
class DatasetInfo:
    """One data set: shape of a sample as (height, width, channels), number of classes, and how many samples exist.

    `split` tells whether the publisher splits training from test data; otherwise both are drawn from one pool, and
    `train_samples` and `test_samples` are each the size of that pool.
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

    def excess(self, train: int, test: int) -> tuple[str, str] | None:
        """Return the key `train` or `test` that asks for more samples than there are, and what is wrong; else None."""
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


_CATALOGUE = {
    info.name: info
    for info in (
        DatasetInfo(
            name="digits",
            title="UCI optical recognition of handwritten digits, test part, as in scikit-learn",
            shape=(8, 8, 1),
            classes=10,
            train_samples=1797,
            test_samples=1797,
            split=False,
            licence="BSD-3-Clause",
            source="scikit-learn load_digits(); E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998",
        ),
        DatasetInfo(
            name="fashion-mnist",
            title="Fashion-MNIST: Zalando article images",
            shape=(28, 28, 1),
            classes=10,
            train_samples=60000,
            test_samples=10000,
            split=True,
            licence="MIT",
            source="Debian package dataset-fashion-mnist; H. Xiao et al., arXiv 1708.07747",
        ),
    )
}


def dataset_names() -> tuple[str, ...]:
    """Return the names of the data sets the harness can load."""
    return tuple(sorted(_CATALOGUE))


def dataset_info(name: str) -> DatasetInfo:
    """Return what is known about the data set `name` without reading it; raise InputError when there is none."""
    if name not in _CATALOGUE:
        raise InputError(f"unknown data set '{name}'; {nearest(name, _CATALOGUE)}")
    return _CATALOGUE[name]
