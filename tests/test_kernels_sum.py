"""Kernels that add activations or errors, or mask errors: uint8 equals the reference in every bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import activation, bounded, bytes_like, call_on, on_every_machine, quant, seeds
from reference.activation import ACTIVATIONS, passes, passes_u8
from reference.affine import F, Quant
from reference.sums import exact_sum, nearest_float, rounded_sum

EXAMPLES = 200

sizes = st.integers(1, 40)
kinds = st.sampled_from([("add", "output", "add_{}_forward"), ("error_sum", "sum", "error_sum_{}")])
places = st.sampled_from(["apart", "left", "right"])


def sum_quant(generator: np.random.Generator, left: Quant, right: Quant) -> Quant:
    """Return a quantization near the scales of what is added."""
    scale = max(left.scale, right.scale) * F(10 ** generator.uniform(-1, 1.5))
    return Quant(scale, int(generator.choice([0, 255, generator.integers(0, 256)])), tracked=generator.random() < 0.5)


def run_sum(machine, kind, left, right, place, quants=(None, None, None), training=True):
    """Return the sum, and its quantization afterwards."""
    struct, result, kernel = kind
    call = call_on(machine)
    placed_left, placed_right = call.array(left), call.array(right)
    output = {"apart": call.array(np.zeros_like(left)), "left": placed_left, "right": placed_right}[place]
    placed_quants = [None if own is None else call.quant(own) for own in quants]
    params = call.struct(
        struct,
        left=call.tensor(placed_left, placed_quants[0]),
        right=call.tensor(placed_right, placed_quants[1]),
        **{result: call.tensor(output, placed_quants[2])},
    )
    call.run(kernel.format("f32" if quants[2] is None else "u8"), params, training=training)
    return output.value, placed_quants[2] and placed_quants[2].value


@on_every_machine
@bounded(EXAMPLES)
@given(kind=kinds, size=sizes, seed=seeds, place=places, training=st.booleans())
def test_sums_u8_are_exact_and_rounded_once(machine, kind, size, seed, place, training):
    generator = np.random.default_rng(seed)
    left, right = bytes_like(generator, (size,)), bytes_like(generator, (size,))
    left_quant, right_quant = quant(generator), quant(generator)
    own = sum_quant(generator, left_quant, right_quant)
    seen, quant_after = run_sum(machine, kind, left, right, place, (left_quant, right_quant, own), training)

    sums = exact_sum(left, left_quant, right, right_quant, own.scale)
    np.testing.assert_array_equal(seen, rounded_sum(sums, own.zero_point))
    if training and own.tracked:
        own.see(np.array([nearest_float(value) for value in sums]) * own.scale)
    assert quant_after == call_on(machine).quant(own).value


@on_every_machine
@bounded(EXAMPLES // 4)
@given(kind=kinds, seed=seeds, ratio=st.floats(9, 25), larger=st.sampled_from([0, 1]))
def test_of_scales_further_apart_than_2_to_30_the_sum_is_still_within_one(machine, kind, seed, ratio, larger):
    generator = np.random.default_rng(seed)
    left, right = generator.integers(0, 3, (2, 30)).astype(np.uint8) + np.uint8(127)
    quants = [Quant(F(1), 128), Quant(F(1), 128)]
    quants[larger].scale = F(10**ratio)
    own = Quant(F(10 ** generator.uniform(0, ratio)), 128)
    seen, _ = run_sum(machine, kind, left, right, "apart", (*quants, own))
    expected = rounded_sum(exact_sum(left, quants[0], right, quants[1], own.scale), own.zero_point)
    assert np.abs(seen.astype(int) - expected).max() <= 1


@on_every_machine
@bounded(EXAMPLES // 4)
@given(kind=kinds, size=sizes, seed=seeds, place=places)
def test_sums_f32_are_those_of_float32(machine, kind, size, seed, place):
    left, right = np.random.default_rng(seed).normal(size=(2, size)).astype(np.float32)
    seen, _ = run_sum(machine, kind, left, right, place)
    np.testing.assert_array_equal(seen, left + right)


@on_every_machine
@bounded(EXAMPLES)
@given(size=sizes, seed=seeds, in_place=st.booleans(), quantized=st.booleans())
def test_a_masked_error_is_zero_where_the_activation_stops_it(machine, size, seed, in_place, quantized):
    generator = np.random.default_rng(seed)
    folded = activation(generator)
    if quantized:
        value, error = bytes_like(generator, (size,)), bytes_like(generator, (size,))
        value_quant, error_quant = quant(generator), quant(generator)
        expected = np.where(passes_u8(folded, value, value_quant), error, error_quant.zero_point)
    else:
        value, error = (generator.normal(size=(2, size)) * 6).astype(np.float32)
        value_quant = error_quant = None
        expected = np.where(passes(folded, value), error, 0)

    call = call_on(machine)
    placed_value, placed_quant = call.array(value), error_quant and call.quant(error_quant)
    result = placed_value if in_place else call.array(np.zeros_like(error))
    params = call.struct(
        "error_mask",
        value=call.tensor(placed_value, value_quant and call.quant(value_quant)),
        output_error=call.tensor(call.array(error), placed_quant),
        input_error=call.tensor(result, placed_quant),
        activation=ACTIVATIONS.index(folded),
    )
    call.run(f"error_mask_{'u8' if quantized else 'f32'}", params)
    np.testing.assert_array_equal(result.value, expected)
