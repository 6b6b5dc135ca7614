"""Fashion-MNIST, 28x28, from the Debian package that ships it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from functools import cache
from pathlib import Path

from harness.assets import cache_dir, write_atomically
from harness.dataset.arrays import Arrays
from harness.dataset.idx import read_idx
from harness.dataset.package import run_client
from harness.errors import InputError, MissingToolError

PACKAGE = "dataset-fashion-mnist"
SYSTEM_DIR = Path("/usr/share/datasets/fashion-mnist")
_INSTALL = f"apt-get update && apt-get install --no-install-recommends {PACKAGE}"
_LARGEST_VALUE = 255

_FILES = {
    "train-images-idx3-ubyte.gz": (60000, 28, 28),
    "train-labels-idx1-ubyte.gz": (60000,),
    "t10k-images-idx3-ubyte.gz": (10000, 28, 28),
    "t10k-labels-idx1-ubyte.gz": (10000,),
}
# SHA-256 of the unpacked pixels or labels without the IDX header: the same however a package compresses them.
_SHA256 = {
    "train-images-idx3-ubyte.gz": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "train-labels-idx1-ubyte.gz": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "t10k-images-idx3-ubyte.gz": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    "t10k-labels-idx1-ubyte.gz": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
}


def _cached() -> Path:
    return cache_dir() / "datasets" / "fashion-mnist"


def is_present() -> bool:
    """Return whether the four files are on this machine."""
    return find_files() is not None


def find_files() -> Path | None:
    """Return the folder with the four files, the system's or else the cache's; None when they are in neither."""
    for folder in (SYSTEM_DIR, _cached()):
        if all((folder / name).is_file() for name in _FILES):
            return folder
    return None


def edition() -> str:
    """Return the hashes that the files must have."""
    return " ".join(_SHA256.values())


def fetch() -> None:
    """Download and unpack the Debian package, which needs no root, and put its four files into the cache.

    Raises MissingToolError, naming the command that installs the package, when that fails.
    """
    target = _cached()
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise MissingToolError(
                f"dataset fashion-mnist: {tool} is missing to fetch the Debian package {PACKAGE}; "
                f"put its files {', '.join(_FILES)} into {target}"
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as temporary:
        folder = Path(temporary)
        _run(["apt-get", "download", PACKAGE], folder)
        packages = list(folder.glob("*.deb"))
        if len(packages) != 1:
            raise MissingToolError(f"dataset fashion-mnist: apt-get downloaded no package; install it with: {_INSTALL}")
        _run(["dpkg-deb", "-x", str(packages[0]), str(folder / "root")], folder)
        unpacked = folder / "root" / SYSTEM_DIR.relative_to("/")
        for name in _FILES:
            if not (unpacked / name).is_file():
                raise MissingToolError(
                    f"dataset fashion-mnist: {name} is not in {packages[0].name}; install it with: {_INSTALL}"
                )
            write_atomically(target / name, (unpacked / name).read_bytes())


def _run(command: list[str], folder: Path) -> None:
    """Run one packaging command; raise MissingToolError with the way to install the package when it fails."""
    try:
        run_client(" ".join(command[:2]), command, folder)
    except MissingToolError as error:
        raise MissingToolError(f"dataset fashion-mnist: {error}; install it with: {_INSTALL}") from None


@cache
def _read(folder: Path) -> Arrays:
    """Return the published images and labels; raise InputError when they are others."""
    parts = []
    for name, shape in _FILES.items():
        array = read_idx(folder / name, shape)
        found = hashlib.sha256(array.tobytes()).hexdigest()
        if found != _SHA256[name]:
            raise InputError(
                f"{folder / name}: SHA-256 of the samples is {found}; expected {_SHA256[name]}; "
                "delete the file to fetch it again"
            )
        parts.append(array)
    train_x, train_y, test_x, test_y = parts
    return Arrays(train_x[..., None], train_y, test_x[..., None], test_y, scale=1 / _LARGEST_VALUE, zero_point=0)


def arrays() -> Arrays:
    """Return the published training and test samples; real values are 0..1.

    Raises MissingToolError when the files are absent and InputError when they are not those published.
    """
    folder = find_files()
    if folder is None:
        raise MissingToolError(f"dataset fashion-mnist: its files are in neither {SYSTEM_DIR} nor {_cached()}")
    return _read(folder)
