"""Learning rates by epoch."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from harness.scenario import Training


def learning_rates(training: Training) -> npt.NDArray[np.float32]:
    """Return the learning rate of each epoch, float32 (epochs,).

    `cosine` is half a period from the first epoch to the last (Loshchilov and Hutter 2017, arXiv 1608.03983), down to
    `factor` times the first rate.
    """
    first, schedule, epochs = training.learning_rate, training.schedule, training.epochs
    rates = []
    for epoch in range(epochs):
        match schedule.name:
            case "constant":
                share = 1.0
            case "step":
                share = schedule.factor ** (epoch // schedule.every)
            case "cosine":
                progress = epoch / max(epochs - 1, 1)
                share = schedule.factor + (1 - schedule.factor) * (1 + math.cos(math.pi * progress)) / 2
        rates.append(first * share)
    return np.array(rates, dtype=np.float32)
