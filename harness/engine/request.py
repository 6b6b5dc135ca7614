"""What the firmware is asked to do and the samples it finds: the bytes of two C structs.

The layouts are those of firmware/trainer/request.h and firmware/trainer/sample_store.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

VERSION = 3
POLICIES = ("full", "static", "dynamic", "random", "last-layers")
RATIO_FORMS = ("follow-up", "talk", "poster")
OPTIMIZERS = ("standardized", "momentum", "momentum-qas")
ROUNDINGS = ("nearest", "stochastic")

_REQUEST = struct.Struct("<13I7f")
_STORE = struct.Struct("<3Ifi10I")
_STORE_MAGIC = 0x53544F52
_ALIGNMENT = 4


@dataclass(frozen=True)
class RunRequest:
    """Settings of one run, as struct run_request; names as in scenarios.

    With `first_step`, the run goes on behind so many steps, from the state in the sample store.
    """

    steps: int
    batch_size: int
    first_step: int = 0
    policy: str = "full"
    ratio_form: str = "follow-up"
    optimizer: str = "standardized"
    rounding: str = "nearest"
    seed: int = 1
    learning_rate: float = 0.0
    min_ratio: float = 1.0
    max_ratio: float = 1.0
    momentum: float = 0.0
    range_smoothing: float = 0.0
    weight_smoothing: float = 1.0
    weight_slack: float = 0.0
    epoch_steps: int = 0
    record_steps: int = 0
    evaluate_each_epoch: int = 0
    evaluate_at_end: int = 0

    def pack(self) -> bytes:
        """Return the bytes of the struct."""
        return _REQUEST.pack(
            VERSION,
            self.steps,
            self.first_step,
            self.epoch_steps,
            self.record_steps,
            self.evaluate_each_epoch,
            self.evaluate_at_end,
            self.batch_size,
            POLICIES.index(self.policy),
            RATIO_FORMS.index(self.ratio_form),
            OPTIMIZERS.index(self.optimizer),
            ROUNDINGS.index(self.rounding),
            self.seed or 1,
            self.learning_rate,
            self.min_ratio,
            self.max_ratio,
            self.momentum,
            self.range_smoothing,
            self.weight_smoothing,
            self.weight_slack,
        )


@dataclass(frozen=True)
class SampleStore:
    """Samples as the firmware finds them.

    `train` and `test` are uint8 or float32 (n, elements), labels uint8 (n,), `order` uint32 (steps,) the training
    sample of each step. `scale` and `zero_point` give the real values of uint8 samples. `schedule` is float32
    (epochs,), the learning rate of each epoch; empty, that of the request holds. `state` is what a run with a
    `first_step` goes on from, and `order` begins with the step behind it.
    """

    train: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    train_labels: npt.NDArray[np.uint8]
    test: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    test_labels: npt.NDArray[np.uint8]
    order: npt.NDArray[np.uint32]
    scale: float
    zero_point: int
    schedule: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    state: bytes = b""

    def first_steps(self, steps: int, test_samples: int) -> SampleStore:
        """Return a store with just what the first `steps` steps and `test_samples` evaluations visit."""
        return self.steps_behind(0, steps, test_samples, b"")

    def steps_behind(self, first_step: int, steps: int, test_samples: int, state: bytes) -> SampleStore:
        """Return a store with just what `steps` steps behind the first `first_step` need, which left `state`."""
        visited, order = np.unique(self.order[first_step : first_step + steps], return_inverse=True)
        return replace(
            self,
            train=self.train[visited],
            train_labels=self.train_labels[visited],
            test=self.test[:test_samples],
            test_labels=self.test_labels[:test_samples],
            order=order.astype(np.uint32),
            state=state,
        )

    def pack(self) -> bytes:
        """Return the bytes of the store: header, schedule, order, labels, state, samples."""
        order = self.order.astype("<u4").tobytes()
        labels = self.train_labels.tobytes() + self.test_labels.tobytes()
        labels += bytes(-len(labels) % _ALIGNMENT)
        schedule = self.schedule.astype("<f4").tobytes()
        order_offset = _STORE.size + len(schedule)
        labels_offset = order_offset + len(order)
        state_offset = labels_offset + len(labels)
        state = self.state + bytes(-len(self.state) % _ALIGNMENT)
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
            state_offset + len(state),
            len(self.schedule),
            _STORE.size,
            len(self.state),
            state_offset,
        )
        return header + schedule + order + labels + state + self.train.tobytes() + self.test.tobytes()
