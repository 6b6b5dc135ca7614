"""Which structures get a gradient in a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reference.affine import F


@dataclass
class Policy:
    """`name` is full, static or dynamic; the ratios are float32."""

    name: str
    min_ratio: np.float32
    max_ratio: np.float32


def granted(policy: Policy, structures: int, error: np.float32, error_max: np.float32) -> tuple[int, np.float32]:
    """Return how many of `structures` get a gradient, and the new largest error.

    Dynamic: k = max(floor((l_min + e / e_max (l_max - l_min)) N), 1) with e the mean error of the layer.
    """
    ratio = policy.min_ratio
    if policy.name == "dynamic":
        error_max = max(error_max, error)
        relative = error / error_max if error_max > 0 else F(0)
        ratio = policy.min_ratio + relative * (policy.max_ratio - policy.min_ratio)
    return min(max(math.floor(F(ratio) * F(structures)), 1), structures), error_max


def largest(magnitudes: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` largest, ascending; of equal ones those with the lower index."""
    return np.sort(np.argsort(-magnitudes, kind="stable")[:count])


def select_u8(
    policy: Policy, error: np.ndarray, scale: np.float32, error_max: np.float32
) -> tuple[np.ndarray, np.float32]:
    """`error` holds q - zero_point, (..., structures), int64. Return the chosen ones and the new largest error."""
    structures = error.shape[-1]
    if policy.name == "full":
        return np.arange(structures), error_max
    magnitudes = np.abs(error).reshape(-1, structures).sum(axis=0)
    mean = F(magnitudes.sum()) / F(error.size) * scale
    count, error_max = granted(policy, structures, mean, error_max)
    return largest(magnitudes, count), error_max
