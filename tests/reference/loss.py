"""Softmax cross-entropy and its gradient, in float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.affine import F, sequential_sum
from reference.elementary import exp_of_negative, log_of


@dataclass
class Loss:
    """Value, whether the largest logit is the label's (of equal ones the first counts), and p - onehot."""

    value: np.float32
    correct: bool
    gradient: np.ndarray


def softmax_cross_entropy(logits: np.ndarray, label: int) -> Loss:
    best = int(logits.argmax())
    powers = exp_of_negative(logits - logits[best])
    total = sequential_sum(powers)
    gradient = powers / total
    gradient[label] -= F(1)
    return Loss(log_of(total) + (logits[best] - logits[label]), best == label, gradient)
