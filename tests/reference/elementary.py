"""exp and log in float32 from +, -, * and /: the published series, term by term."""

from __future__ import annotations

import math

import numpy as np

from reference.affine import F

LN2_HIGH, LN2_LOW = F(355 / 512), F(-2.12194440e-4)  # Cody and Waite: ln 2 in two parts


def _horner(coefficients: list[np.float32], x: np.ndarray) -> np.ndarray:
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


def exp_of_negative(x: np.ndarray) -> np.ndarray:
    """2^n e^r with n = round(x / ln 2), e^r by its Taylor series to r^7; 0 from -87 down."""
    negligible = np.asarray(x, dtype=F) <= F(-87)
    x = np.where(negligible, F(0), x)
    n = np.trunc(x * F(1.44269504) - F(0.5))
    r = x - n * LN2_HIGH - n * LN2_LOW
    series = _horner([F(1) / F(math.factorial(k)) for k in range(7, -1, -1)], r)
    return np.where(negligible, F(0), np.ldexp(series, n.astype(np.int32)))


def log_of(x: np.float32) -> np.float32:
    """n ln 2 + 2 atanh((m - 1) / (m + 1)) with m in [sqrt 1/2, sqrt 2], atanh to t^9."""
    half_mantissa, exponent = np.frexp(F(x))
    m, n = half_mantissa * F(2), F(exponent - 1)
    if m > F(math.sqrt(2)):
        m, n = m * F(0.5), n + F(1)
    t = (m - F(1)) / (m + F(1))
    series = _horner([F(2) / F(k) for k in (9, 7, 5, 3, 1)], np.asarray(t * t))
    return F((series * t + n * LN2_LOW) + n * LN2_HIGH)
