"""Named data sets as arrays with an explicit split."""

from harness.dataset.catalogue import DatasetInfo, dataset_info, dataset_names

__all__ = ["DatasetInfo", "dataset_info", "dataset_names"]
