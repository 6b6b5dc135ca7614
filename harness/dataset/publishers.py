"""What is known about each data set that is read from the files its publisher ships."""

from __future__ import annotations

from harness.dataset.info import DatasetInfo

_EMNIST = (  # name, title, classes, training and test samples of the files as shipped
    ("balanced", "digits and letters, 47 classes equally often", 47, 112_800, 18_800),
    ("byclass", "digits, capital and small letters", 62, 697_932, 116_323),
    ("bymerge", "digits and letters, some small ones merged with capitals", 47, 697_932, 116_323),
    ("digits", "handwritten digits", 10, 240_000, 40_000),
    ("letters", "letters, small and capital alike", 26, 124_800, 20_800),
    ("mnist", "handwritten digits, drawn as MNIST was", 10, 60_000, 10_000),
)

PUBLISHERS = (
    DatasetInfo(
        name="cifar10",
        title="small colour photographs",
        shape=(32, 32, 3),
        classes=10,
        train_samples=50_000,
        test_samples=10_000,
        split=True,
        licence="none stated",
        source="A. Krizhevsky, Learning multiple layers of features from tiny images, 2009; binary version",
        stands_for="cifar10",
        obtain="get cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html, unpack it",
        folder="cifar-10-batches-bin",
    ),
    DatasetInfo(
        name="cifar100",
        title="small colour photographs, fine labels",
        shape=(32, 32, 3),
        classes=100,
        train_samples=50_000,
        test_samples=10_000,
        split=True,
        licence="none stated",
        source="A. Krizhevsky, Learning multiple layers of features from tiny images, 2009; binary version",
        stands_for="cifar100",
        obtain="get cifar-100-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html, unpack it",
        folder="cifar-100-binary",
    ),
    *(
        DatasetInfo(
            name=f"emnist-{split}",
            title=f"EMNIST: {title}",
            shape=(28, 28, 1),
            classes=classes,
            train_samples=train_samples,
            test_samples=test_samples,
            split=True,
            licence="none stated",
            source="G. Cohen et al., arXiv 1702.05373; from NIST Special Database 19",
            stands_for={"letters": "emnist_letters", "digits": "emnist_digits"}.get(split, ""),
            obtain="get gzip.zip from https://www.nist.gov/itl/products-and-services/emnist-dataset, unpack it",
            folder="gzip",
        )
        for split, title, classes, train_samples, test_samples in _EMNIST
    ),
    DatasetInfo(
        name="kmnist",
        title="Kuzushiji: cursive Japanese characters",
        shape=(28, 28, 1),
        classes=10,
        train_samples=60_000,
        test_samples=10_000,
        split=True,
        licence="CC BY-SA 4.0",
        source="T. Clanuwat et al., arXiv 1812.01718; ROIS-DS Center for Open Data in the Humanities",
        stands_for="kmnist",
        obtain="get the four *-ubyte.gz files from https://codh.rois.ac.jp/kmnist, put them into one folder",
        folder="kmnist",
    ),
)
