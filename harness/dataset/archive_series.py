"""Small series of the UCR and UEA archives, from the Python package `aeon`; published splits."""

from __future__ import annotations

from collections.abc import Mapping

from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.converted import Converted
from harness.dataset.package import Package
from harness.dataset.ts_file import read_ts

_PACKAGE = Package(
    client="pip",
    name="aeon",
    version="1.6.0",
    file_name="aeon-1.6.0-py3-none-any.whl",
    sha256="d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
)
_MOST_BYTES = 2_000_000


def _series(name: str, stem: str) -> Converted:
    """Return the data set `name` whose files begin with `aeon/datasets/data/` and `stem`."""
    info = dataset_info(name)
    train_member, test_member = (f"aeon/datasets/data/{stem}_{part}.ts" for part in ("TRAIN", "TEST"))
    _, length, channels = info.shape

    def convert(members: Mapping[str, bytes]) -> Arrays:
        """Return the published training and test series as (n, 1, time, channels)."""
        train, train_y = read_ts(train_member, members[train_member], (info.train_samples, length, channels))
        test, test_y = read_ts(test_member, members[test_member], (info.test_samples, length, channels))
        return Arrays.of_series(train, train_y, test, test_y)

    return Converted(info, _PACKAGE, {train_member: _MOST_BYTES, test_member: _MOST_BYTES}, convert)


ARCHIVE_SERIES = (
    _series("basic-motions", "BasicMotions/BasicMotions"),
    _series("gun-point", "GunPoint/GunPoint"),
    _series("italy-power", "ItalyPowerDemand/ItalyPowerDemand"),
    _series("japanese-vowels", "JapaneseVowels/JapaneseVowels_eq"),
)
