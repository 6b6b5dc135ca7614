"""What happens when a minibatch closes."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from reference.affine import HALF, ONE, ZERO, F, Quant, round_to_bias
from reference.generator import Generator

ONE_STEP = F(1 << 16)
POINT = 16
GRADIENT_BITS = 15
LARGEST_SHIFT = 30
LEAST_SHIFT_FORESEEN = 2

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


@dataclass
class Direction:
    """Where a structure goes: `rate` steps of 2^-16 for one unit of `gradient`, which has 16 bits, less `mean`."""

    gradient: np.ndarray
    mean: np.float32
    rate: np.float32


def standardized(gradient: np.ndarray, learning_rate: np.float32) -> Direction:
    """`gradient` (elements,) int32, `learning_rate` in steps. The rate is lr / sigma, 0 where sigma is."""
    wide = gradient.astype(np.int64)
    bits = int(np.bitwise_or.reduce(np.where(wide < 0, ~wide, wide))).bit_length()
    spare = max(GRADIENT_BITS - bits, 0)
    counted = wide >> max(bits - GRADIENT_BITS, 0)
    total, count = int(counted.sum()), gradient.size
    spread = int((counted * counted).sum()) * count - total * total
    unit = F(1 << spare)  # a power of two: no rounding
    rate = learning_rate * F(count) / np.sqrt(F(spread)) / unit if spread else F(0)
    return Direction(counted << spare, F(total) / F(count) * unit, rate)


def steps_of(direction: Direction, rate: np.float32, least_shift: int) -> np.ndarray:
    """Return what each weight moves by, in steps of 2^-16: `rate` has 15 bits, products are rounded down."""
    mantissa, exponent = np.frexp(rate)
    whole = int(np.floor(float(mantissa) * (1 << GRADIENT_BITS) + 0.5))
    shift = GRADIENT_BITS - int(exponent)
    if whole == 1 << GRADIENT_BITS:
        whole, shift = whole // 2, shift - 1
    if shift > LARGEST_SHIFT:
        whole, shift = 0, LARGEST_SHIFT
    elif shift < least_shift:
        whole, shift = (1 << GRADIENT_BITS) - 1, least_shift
    of_mean = int(np.trunc(direction.mean * F(whole * 2.0**-shift)))
    return (direction.gradient * whole >> shift) - of_mean


def requantized(weights: np.ndarray, before: Quant, after: Quant, steps: np.ndarray | int) -> np.ndarray:
    """Return `weights` less `steps` in steps of 2^-16 of `after`, with its zero point."""
    factor = int(np.floor(before.scale / after.scale * ONE_STEP + HALF))
    return before.centered(weights) * factor + (after.zero_point << POINT) - steps


def rounded(values: np.ndarray, stochastic: bool, generator: Generator) -> np.ndarray:
    """Return values in steps of 2^-16 as uint8."""
    offset: np.ndarray | int = 1 << (POINT - 1)
    if stochastic:  # one number for two values
        numbers = generator.numbers((values.size + 1) // 2)
        offset = np.stack([numbers & 0xFFFF, numbers >> 16], axis=1).reshape(-1)[: values.size]
    return np.clip((values + offset) >> POINT, 0, 255).astype(np.uint8)


def followed(before: Quant, low: np.float32, high: np.float32, descent: Descent) -> Quant:
    """Return the quantization for weights from `low` to `high`: no narrower than a sixteenth of `before`."""
    width = (F(1) - descent.slack) * (before.high - before.low)
    after = copy.copy(before)
    if low < before.low or high > before.high or high - low < width:
        share = descent.weight_smoothing
        if share != 1:
            low, high = before.low + share * (low - before.low), before.high + share * (high - before.high)
        least = (before.high - before.low) * F(1 / 16)
        after.set_range(low, low + least if high - low < least else high)
    return after


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
    velocity = velocity.copy()
    plain = descent.optimizer == "standardized"
    step_rate = descent.learning_rate / quant.scale * ONE_STEP
    directions = {o: standardized(gradient[o], step_rate) for o in np.flatnonzero(touched)} if plain else {}
    moving = {o: direction for o, direction in directions.items() if direction.rate != 0}
    rate = descent.learning_rate
    if descent.optimizer == "momentum":
        rate = rate * quant.scale * quant.scale
    values: dict[int, np.ndarray] = {}  # real weights after a step with momentum
    extremes = [ZERO]
    for o in range(len(weights)):
        if touched[o] and not plain:
            fresh = gradient_unit / F(batch_size) * gradient[o].astype(F)
            velocity[o] = descent.momentum * velocity[o] + fresh
            values[o] = quant.real(weights[o]) - rate * velocity[o]
            extremes += [values[o].min(), values[o].max()]
        else:
            steps = steps_of(moving[o], moving[o].rate, LEAST_SHIFT_FORESEEN) if o in moving else 0
            moved = (quant.centered(weights[o]) << POINT) - steps
            extremes += [F(moved.min()) * (quant.scale / ONE_STEP), F(moved.max()) * (quant.scale / ONE_STEP)]
    after = followed(quant, min(extremes), max(extremes), descent)
    result = weights.copy()
    for o in range(len(weights)):
        if o in values:
            offset = generator.shares(weights.shape[1]) if descent.stochastic else HALF
            result[o] = after.quantized(values[o], offset)
        elif o in moving:
            steps = steps_of(moving[o], moving[o].rate * (quant.scale / after.scale), 0)
            result[o] = rounded(requantized(weights[o], quant, after, steps), descent.stochastic, generator)
        elif (after.scale, after.zero_point) != (quant.scale, quant.zero_point):
            result[o] = rounded(requantized(weights[o], quant, after, 0), descent.stochastic, generator)
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
