"""What happens when a minibatch closes."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from reference.affine import HALF, ONE, ZERO, F, Quant, round_to_bias, sequential_sum
from reference.generator import Generator

OPTIMIZERS = ("standardized", "momentum", "momentum-qas")


@dataclass
class Descent:
    """How weights move. Rates, momentum, smoothing and slack are float32.

    standardized: w -= lr (g - mu) / sigma, mu and sigma of the structure.
    momentum: v = m v + g, w / s -= lr s v; momentum-qas: w / s -= lr v / s. g is the mean over the minibatch.
    """

    learning_rate: np.float32
    optimizer: str = "standardized"
    momentum: np.float32 = ZERO
    weight_smoothing: np.float32 = ONE
    slack: np.float32 = ZERO
    stochastic: bool = False


def standardized(gradient: np.ndarray, learning_rate: np.float32) -> np.ndarray:
    """`gradient` (elements,) int32. Return lr (g - mu) / sigma, 0 where sigma is."""
    mean = F(gradient.sum(dtype=np.int64)) / F(gradient.size)
    distance = gradient.astype(F) - mean
    deviation = np.sqrt(sequential_sum(distance * distance) / F(gradient.size))
    factor = learning_rate / deviation if deviation > 0 else F(0)
    return factor * distance


def update_weights(
    weights: np.ndarray,
    quant: Quant,
    gradient: np.ndarray,
    velocity: np.ndarray,
    touched: np.ndarray,
    descent: Descent,
    gradient_unit: np.float32,
    batch_size: int,
    generator: Generator,
) -> tuple[np.ndarray, Quant, np.ndarray]:
    """Return new (weights, quant, velocity).

    `weights`, `gradient` and `velocity` are (structures, elements), `touched` (structures,); one unit of the gradient
    is worth `gradient_unit`.
    """
    values = quant.real(weights)
    velocity = velocity.copy()
    rate = descent.learning_rate
    if descent.optimizer == "momentum":
        rate = rate * quant.scale * quant.scale
    for o in np.flatnonzero(touched):
        if descent.optimizer == "standardized":
            values[o] = values[o] - standardized(gradient[o], descent.learning_rate)
        else:
            fresh = gradient_unit / F(batch_size) * gradient[o].astype(F)
            velocity[o] = descent.momentum * velocity[o] + fresh
            values[o] = values[o] - rate * velocity[o]
    low, high = min(values.min(), F(0)), max(values.max(), F(0))
    after = copy.copy(quant)
    width = (F(1) - descent.slack) * (quant.high - quant.low)
    fits = low >= quant.low and high <= quant.high and high - low >= width
    if not fits:
        share = descent.weight_smoothing
        if share != 1:
            low, high = quant.low + share * (low - quant.low), quant.high + share * (high - quant.high)
        after.set_range(low, high)
    result = weights.copy()
    for o in range(len(weights)):
        if touched[o] or not fits:
            offset = generator.shares(weights.shape[1]) if descent.stochastic else HALF
            result[o] = after.quantized(values[o], offset)
    return result, after, velocity


def update_bias(
    bias: np.ndarray,
    gradient: np.ndarray,
    velocity: np.ndarray,
    touched: np.ndarray,
    descent: Descent,
    error_scale: np.float32,
    batch_size: int,
    unit: np.float32,
) -> tuple[np.ndarray, np.ndarray]:
    """b -= lr g, or with momentum; one unit of the int32 bias is worth `unit`, one of its gradient `error_scale`.

    Return new (bias, velocity).
    """
    factor = descent.learning_rate * error_scale / (F(batch_size) * unit)
    if descent.optimizer == "standardized":
        change = factor * gradient.astype(F)
    else:
        if descent.optimizer == "momentum":
            factor = factor * (unit * unit)
        moved = descent.momentum * velocity + gradient.astype(F) / F(batch_size)
        velocity = np.where(touched != 0, moved, velocity)
        change = factor * F(batch_size) * velocity
    return np.where(touched != 0, round_to_bias(bias.astype(F) - change), bias).astype(np.int32), velocity


def change_bias_unit(bias: np.ndarray, before: np.float32, after: np.float32) -> np.ndarray:
    """The same real bias in another unit."""
    factor = before / after
    return bias if factor == F(1) else round_to_bias(bias.astype(F) * factor)
