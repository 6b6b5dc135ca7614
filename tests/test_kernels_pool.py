"""Kernels of max_pool2d and avg_pool2d: uint8 equals the reference in every bit, and so does every float32 maximum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_call import NOTHING, Call
from kernel_cases import activation, bounded, bytes_like, call_on, on_every_machine, quant, seeds
from reference.activation import ACTIVATIONS, passes, passes_u8
from reference.affine import F, Quant, requantize
from reference.average import avg_pool2d, avg_pool2d_error
from reference.layers import Pair, max_pool2d, max_pool2d_error

EXAMPLES = 200


@st.composite
def pools(draw: st.DrawFn) -> tuple[tuple[int, int, int], Pair, Pair]:
    """Shape of the input, size and stride of a window that may overlap the next or leave gaps."""
    size, stride = draw(st.tuples(*[st.integers(1, 4)] * 2)), draw(st.tuples(*[st.integers(1, 5)] * 2))
    return (draw(st.integers(size[0], 9)), draw(st.integers(size[1], 9)), draw(st.integers(1, 9))), size, stride


def geometry(pool, output_shape) -> dict[str, int]:
    shape, size, stride = pool
    names = (
        "input_height", "input_width", "channels", "output_height", "output_width", "size_y", "size_x", "stride_y",
        "stride_x",
    )  # fmt: skip
    return dict(zip(names, (*shape, *output_shape[:2], *size, *stride), strict=True))


def max_pool_params(call: Call, pool, output_shape, **members):
    unused = {"input": NOTHING, "output": NOTHING, "winner": 0, "output_error": NOTHING, "input_error": NOTHING}
    return call.struct("max_pool2d", **{**geometry(pool, output_shape), **unused, **members})


def avg_pool_params(call: Call, pool, output_shape, folded: str = "none", **members):
    unused = {"input": NOTHING, "output": NOTHING, "output_error": NOTHING, "input_error": NOTHING}
    mask = {"input_activation": ACTIVATIONS.index(folded)}
    return call.struct("avg_pool2d", **{**geometry(pool, output_shape), **unused, **mask, **members})


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
    highest, winner = max_pool2d(x, size, stride)

    call = call_on(machine)
    output, winners = call.array(np.zeros_like(highest)), call.array(np.full_like(winner, 99))
    params = max_pool_params(
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
    _, winner = max_pool2d(values(generator, shape, suffix), size, stride)
    e = values(generator, winner.shape, suffix)
    e_quant = quant(generator)

    call = call_on(machine)
    placed_quant = call.quant(e_quant) if suffix == "u8" else None
    result = call.array(np.full(shape, 77, dtype=e.dtype))
    params = max_pool_params(
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
        sums = max_pool2d_error(e_quant.centered(e), winner, shape, size, stride, (-zero, 255 - zero))
        np.testing.assert_array_equal(result.value, sums + zero)
    else:
        sums = max_pool2d_error(e, winner, shape, size, stride, (-np.inf, np.inf))
        assert result.value.tobytes() == sums.tobytes()


@pytest.mark.parametrize("suffix", ["u8", "f32"])
def test_without_overlap_no_error_is_lost(suffix):
    generator = np.random.default_rng(1)
    _, winner = max_pool2d(generator.normal(size=(6, 6, 3)), (2, 2), (2, 2))
    e = generator.integers(-9, 9, winner.shape)
    assert max_pool2d_error(e, winner, (6, 6, 3), (2, 2), (2, 2), (-128, 127)).sum() == e.sum()


@on_every_machine
@bounded(EXAMPLES)
@given(pool=pools(), seed=seeds)
def test_means_u8_equal_the_reference(machine, pool, seed):
    shape, size, stride = pool
    generator = np.random.default_rng(seed)
    x, x_quant = bytes_like(generator, shape), quant(generator)
    sums = avg_pool2d(x_quant.centered(x), size, stride)

    call = call_on(machine)
    output, placed_quant = call.array(np.zeros(sums.shape, dtype=np.uint8)), call.quant(x_quant)
    params = avg_pool_params(
        call,
        pool,
        sums.shape,
        input=call.tensor(call.array(x), placed_quant),
        output=call.tensor(output, placed_quant),
    )
    call.run("avg_pool2d_u8_forward", params)
    expected = requantize(sums, F(1) / F(size[0] * size[1]), x_quant.zero_point)
    np.testing.assert_array_equal(output.value, expected)
    off = output.value - (x_quant.zero_point + sums / (size[0] * size[1]))
    assert np.abs(off).max() < 0.5 + 1e-4


@on_every_machine
@bounded(EXAMPLES)
@given(pool=pools(), seed=seeds, in_place=st.booleans())
def test_error_u8_of_a_mean_keeps_its_numbers_at_the_scale_of_a_part(machine, pool, seed, in_place):
    shape, size, stride = pool
    generator = np.random.default_rng(seed)
    folded = activation(generator)
    x, x_quant = bytes_like(generator, shape), quant(generator)
    e_quant = quant(generator)
    e = bytes_like(generator, avg_pool2d(x, size, stride).shape)

    call = call_on(machine)
    placed_x, derived = call.array(x), call.quant(Quant(F(99), 99))
    result = placed_x if in_place else call.array(bytes_like(generator, shape))
    params = avg_pool_params(
        call,
        pool,
        e.shape,
        folded,
        input=call.tensor(placed_x, call.quant(x_quant)),
        output_error=call.tensor(call.array(e), call.quant(e_quant)),
        input_error=call.tensor(result, derived),
    )
    call.run("avg_pool2d_u8_error", params)

    sums = np.where(passes_u8(folded, x, x_quant), avg_pool2d_error(e_quant.centered(e), shape, size, stride), 0)
    np.testing.assert_array_equal(result.value, np.clip(sums + e_quant.zero_point, 0, 255))
    part = F(1) / F(size[0] * size[1])
    expected = Quant(e_quant.scale * part, e_quant.zero_point, e_quant.low * part, e_quant.high * part)
    assert derived.value == call.quant(expected).value


def average_f32(machine, pool, x, e, folded, in_place):
    """Return the means of `x`, and its error when that of the means is `e`."""
    call = call_on(machine)
    placed_x, output = call.array(x), call.array(np.zeros_like(e))
    result = placed_x if in_place else call.array(np.full_like(x, 77))
    params = avg_pool_params(
        call,
        pool,
        e.shape,
        folded,
        input=call.tensor(placed_x),
        output=call.tensor(output),
        output_error=call.tensor(call.array(e)),
        input_error=call.tensor(result),
    )
    call.run("avg_pool2d_f32_forward", params)
    means = output.value
    call.run("avg_pool2d_f32_error", params)
    return means, result.value


@on_every_machine
@bounded(EXAMPLES)
@given(pool=pools(), seed=seeds, in_place=st.booleans())
def test_means_f32_and_their_errors_are_exact_but_for_roundings(machine, pool, seed, in_place):
    shape, size, stride = pool
    generator = np.random.default_rng(seed)
    folded = activation(generator)
    x = (generator.normal(size=shape) * 5).astype(np.float32)
    exact = avg_pool2d(x.astype(np.float64), size, stride) / (size[0] * size[1])
    e = generator.normal(size=exact.shape).astype(np.float32)
    means, error = average_f32(machine, pool, x, e, folded, in_place)

    np.testing.assert_allclose(means, exact, rtol=0, atol=1e-5)
    spread = avg_pool2d_error(e.astype(np.float64), shape, size, stride) / (size[0] * size[1])
    np.testing.assert_allclose(error, np.where(passes(folded, x), spread, 0), rtol=0, atol=1e-5)
    means_on_host, error_on_host = average_f32("host", pool, x, e, folded, in_place)
    assert (means.tobytes(), error.tobytes()) == (means_on_host.tobytes(), error_on_host.tobytes())
