"""Which structures get a gradient in a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reference.affine import F
from reference.generator import Generator

POLICIES = ("full", "static", "dynamic", "random", "last-layers")
FORMS = ("follow-up", "talk", "poster")


@dataclass
class Policy:
    """`name` is one of POLICIES, `form` one of FORMS; the ratios are float32."""

    name: str
    min_ratio: np.float32
    max_ratio: np.float32
    form: str = "follow-up"


def granted(
    policy: Policy, structures: int, error: np.float32, error_max: np.float32, relative_loss: np.float32
) -> tuple[int, np.float32]:
    """Return how many of `structures` get a gradient, and the new largest error.

    With e the mean error of the layer, N its structures:
    follow-up k = max(floor((l_min + e / e_max (l_max - l_min)) N), 1),
    talk k = floor(min(l_min + e / e_max (l_max - l_min), 1) N),
    poster the same with the loss relative to the largest seen.
    """
    if policy.name != "dynamic":
        return min(max(math.floor(policy.min_ratio * F(structures)), 1), structures), error_max
    error_max = max(error_max, error)
    relative = error / error_max if error_max > 0 else F(0)
    if policy.form == "poster":
        relative = relative_loss
    ratio = policy.min_ratio + relative * (policy.max_ratio - policy.min_ratio)
    fewest = 1 if policy.form == "follow-up" else 0
    return min(max(math.floor(ratio * F(structures)), fewest), structures), error_max


def largest(magnitudes: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` largest, ascending; of equal ones those with the lower index."""
    return np.sort(np.argsort(-magnitudes, kind="stable")[:count])


def select_u8(
    policy: Policy,
    error: np.ndarray,
    scale: np.float32,
    error_max: np.float32,
    relative_loss: np.float32,
    generator: Generator,
) -> tuple[np.ndarray, np.float32]:
    """Return the chosen structures and the new largest error.

    `error` holds q - zero_point, (..., structures), int64. For `last-layers` the layer is one of the last.
    """
    structures = error.shape[-1]
    if policy.name in ("full", "last-layers"):
        return np.arange(structures), error_max
    magnitudes = np.abs(error).reshape(-1, structures).sum(axis=0)
    mean = F(magnitudes.sum()) / F(error.size) * scale
    count, error_max = granted(policy, structures, mean, error_max, relative_loss)
    if policy.name == "random" and count < structures:
        magnitudes = generator.numbers(structures)
    return largest(magnitudes, count), error_max
