"""Kernels of max_pool2d equal the reference in every bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_call import NOTHING, Call
from kernel_cases import bounded, bytes_like, call_on, on_every_machine, quant, seeds
from reference.layers import max_pool2d, max_pool2d_error

EXAMPLES = 200


@st.composite
def pools(draw: st.DrawFn) -> tuple[tuple[int, int, int], int, int]:
    """Shape of the input, size and stride of a window that may overlap the next or leave gaps."""
    size, stride = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    return (draw(st.integers(size, 9)), draw(st.integers(size, 9)), draw(st.integers(1, 9))), size, stride


def pool_params(call: Call, pool, output_shape, **members):
    shape, size, stride = pool
    numbers = dict(zip(("input_height", "input_width", "channels"), shape, strict=True))
    numbers |= {"output_height": output_shape[0], "output_width": output_shape[1], "size": size, "stride": stride}
    unused = {"input": NOTHING, "output": NOTHING, "winner": 0, "output_error": NOTHING, "input_error": NOTHING}
    return call.struct("max_pool2d", **{**numbers, **unused, **members})


def pair(number: int) -> tuple[int, int]:
    return number, number


def values(generator: np.random.Generator, shape, suffix: str) -> np.ndarray:
    """Return values with ties."""
    if suffix == "u8":
        return bytes_like(generator, shape)
    return np.round(generator.normal(size=shape) * 3).astype(np.float32) / np.float32(7)


@on_every_machine
@bounded(EXAMPLES)
@given(pool=pools(), seed=seeds, suffix=st.sampled_from(["u8", "f32"]), noted=st.booleans())
def test_forward_finds_the_first_maximum_of_each_window(machine, pool, seed, suffix, noted):
    shape, size, stride = pool
    x = values(np.random.default_rng(seed), shape, suffix)
    highest, winner = max_pool2d(x, pair(size), pair(stride))

    call = call_on(machine)
    output, winners = call.array(np.zeros_like(highest)), call.array(np.full_like(winner, 99))
    params = pool_params(
        call,
        pool,
        highest.shape,
        input=call.tensor(call.array(x)),
        output=call.tensor(output),
        winner=winners.address if noted else 0,
    )
    call.run(f"max_pool2d_{suffix}_forward", params)
    np.testing.assert_array_equal(output.value, highest)
    np.testing.assert_array_equal(winners.value, winner if noted else np.full_like(winner, 99))


@on_every_machine
@bounded(EXAMPLES)
@given(pool=pools(), seed=seeds, suffix=st.sampled_from(["u8", "f32"]))
def test_error_goes_to_the_winners_and_adds_up_where_windows_overlap(machine, pool, seed, suffix):
    shape, size, stride = pool
    generator = np.random.default_rng(seed)
    _, winner = max_pool2d(values(generator, shape, suffix), pair(size), pair(stride))
    e = values(generator, winner.shape, suffix)
    e_quant = quant(generator)

    call = call_on(machine)
    placed_quant = call.quant(e_quant) if suffix == "u8" else None
    result = call.array(np.full(shape, 77, dtype=e.dtype))
    params = pool_params(
        call,
        pool,
        winner.shape,
        winner=call.array(winner).address,
        output_error=call.tensor(call.array(e), placed_quant),
        input_error=call.tensor(result, placed_quant),
    )
    call.run(f"max_pool2d_{suffix}_error", params)

    if suffix == "u8":
        zero = e_quant.zero_point
        sums = max_pool2d_error(e_quant.centered(e), winner, shape, pair(size), pair(stride), (-zero, 255 - zero))
        np.testing.assert_array_equal(result.value, sums + zero)
    else:
        sums = max_pool2d_error(e, winner, shape, pair(size), pair(stride), (-np.inf, np.inf))
        assert result.value.tobytes() == sums.tobytes()


@pytest.mark.parametrize("suffix", ["u8", "f32"])
def test_without_overlap_no_error_is_lost(suffix):
    generator = np.random.default_rng(1)
    _, winner = max_pool2d(generator.normal(size=(6, 6, 3)), (2, 2), (2, 2))
    e = generator.integers(-9, 9, winner.shape)
    assert max_pool2d_error(e, winner, (6, 6, 3), (2, 2), (2, 2), (-128, 127)).sum() == e.sum()
