"""Named data sets as arrays with an explicit split."""

from harness.dataset.catalogue import OWN, dataset_info, dataset_names
from harness.dataset.info import DatasetInfo
from harness.dataset.loader import describe, fetch_dataset, identity, is_present, load_dataset
from harness.dataset.normalisation import NormalisationName
from harness.dataset.origin import Origin
from harness.dataset.sample import SampleSet, visiting_order
from harness.dataset.treatment import Augmentation, Shift, Treatment

__all__ = [
    "OWN",
    "Augmentation",
    "DatasetInfo",
    "NormalisationName",
    "Origin",
    "SampleSet",
    "Shift",
    "Treatment",
    "dataset_info",
    "dataset_names",
    "describe",
    "fetch_dataset",
    "identity",
    "is_present",
    "load_dataset",
    "visiting_order",
]
