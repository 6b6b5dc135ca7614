"""Named data sets as arrays with an explicit split."""

from harness.dataset.catalogue import DatasetInfo, dataset_info, dataset_names
from harness.dataset.loader import fetch_dataset, is_present, load_dataset
from harness.dataset.sample import SampleSet, visiting_order

__all__ = [
    "DatasetInfo",
    "SampleSet",
    "dataset_info",
    "dataset_names",
    "fetch_dataset",
    "is_present",
    "load_dataset",
    "visiting_order",
]
