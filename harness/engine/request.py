"""What the firmware is asked to do and the samples it finds: the bytes of two C structs.

The layouts are those of firmware/trainer/request.h and firmware/trainer/sample_store.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

VERSION = 1
POLICIES = {"full": 0, "static": 1, "dynamic": 2}

_REQUEST = struct.Struct("<8I5f")
_STORE = struct.Struct("<3Ifi6I")
_STORE_MAGIC = 0x53544F52
_ALIGNMENT = 4


@dataclass(frozen=True)
class RunRequest:
    """Settings of one run, as struct run_request."""

    steps: int
    batch_size: int
    policy: str
    learning_rate: float
    min_ratio: float
    max_ratio: float
    range_smoothing: float
    weight_slack: float
    epoch_steps: int = 0
    record_steps: int = 0
    evaluate_each_epoch: int = 0
    evaluate_at_end: int = 0

    def pack(self) -> bytes:
        """Return the bytes of the struct."""
        return _REQUEST.pack(
            VERSION,
            self.steps,
            self.epoch_steps,
            self.record_steps,
            self.evaluate_each_epoch,
            self.evaluate_at_end,
            self.batch_size,
            POLICIES[self.policy],
            self.learning_rate,
            self.min_ratio,
            self.max_ratio,
            self.range_smoothing,
            self.weight_slack,
        )


@dataclass(frozen=True)
class SampleStore:
    """Samples as the firmware finds them.

    `train` and `test` are uint8 or float32 (n, elements), labels uint8 (n,), `order` uint32 (steps,) the training
    sample of each step. `scale` and `zero_point` give the real values of uint8 samples.
    """

    train: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    train_labels: npt.NDArray[np.uint8]
    test: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    test_labels: npt.NDArray[np.uint8]
    order: npt.NDArray[np.uint32]
    scale: float
    zero_point: int

    def first_steps(self, steps: int, test_samples: int) -> SampleStore:
        """Return a store with just what the first `steps` steps and `test_samples` evaluations visit."""
        visited, order = np.unique(self.order[:steps], return_inverse=True)
        return replace(
            self,
            train=self.train[visited],
            train_labels=self.train_labels[visited],
            test=self.test[:test_samples],
            test_labels=self.test_labels[:test_samples],
            order=order.astype(np.uint32),
        )

    def pack(self) -> bytes:
        """Return the bytes of the store: header, order, labels, samples."""
        order = self.order.astype("<u4").tobytes()
        labels = self.train_labels.tobytes() + self.test_labels.tobytes()
        labels += bytes(-len(labels) % _ALIGNMENT)
        order_offset = _STORE.size
        labels_offset = order_offset + len(order)
        header = _STORE.pack(
            _STORE_MAGIC,
            self.train.dtype.itemsize,
            self.train.shape[1],
            self.scale,
            self.zero_point,
            len(self.order),
            len(self.train),
            len(self.test),
            order_offset,
            labels_offset,
            labels_offset + len(labels),
        )
        return header + order + labels + self.train.tobytes() + self.test.tobytes()
