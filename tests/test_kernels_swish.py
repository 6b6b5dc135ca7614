"""Kernels of hard_swish: uint8 equals the reference in every bit, float32 is close to the exact function."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernel_call import NOTHING
from kernel_cases import bounded, bytes_like, call_on, on_every_machine, quant, scaled_to, seeds
from reference.affine import F, Quant, requantize
from reference.swish import DERIVATIVE_UNIT, derivative_units, hard_swish, hard_swish_derivative

EXAMPLES = 200

sizes = st.integers(1, 300)


def input_quant(generator: np.random.Generator) -> Quant:
    """Return a range that mostly crosses the bends at -3 and 3."""
    if generator.random() < 0.25:
        return quant(generator)
    return Quant.covering(-generator.uniform(0, 8), generator.uniform(0, 8))


def swish_params(call, **members):
    unused = {"input": NOTHING, "output": NOTHING, "output_error": NOTHING, "input_error": NOTHING, "table": 0}
    return call.struct("hard_swish", **{**unused, **members})


def table(call, generator: np.random.Generator) -> int:
    return call.array(bytes_like(generator, (1024,))).address


@on_every_machine
@bounded(EXAMPLES)
@given(size=sizes, seed=seeds, training=st.booleans(), tracked=st.booleans())
def test_forward_u8_equals_the_reference_and_sees_only_what_occurs(machine, size, seed, training, tracked):
    generator = np.random.default_rng(seed)
    x, x_quant = bytes_like(generator, (size,)), input_quant(generator)
    values = hard_swish(x_quant.real(x))
    y_quant = Quant.covering(values.min(), values.max(), tracked=tracked)
    if generator.random() < 0.3:
        y_quant = quant(generator, tracked=tracked)

    call = call_on(machine)
    output, placed_quant = call.array(np.zeros_like(x)), call.quant(y_quant)
    params = swish_params(
        call,
        input=call.tensor(call.array(x), call.quant(x_quant)),
        output=call.tensor(output, placed_quant),
        table=table(call, generator),
    )
    call.run("hard_swish_u8_forward", params, training=training)

    np.testing.assert_array_equal(output.value, y_quant.quantized(values))
    if training and tracked:
        y_quant.see(values)
    assert placed_quant.value == call.quant(y_quant).value


@on_every_machine
@bounded(EXAMPLES)
@given(size=sizes, seed=seeds, tracked=st.booleans(), in_place=st.booleans())
def test_error_u8_equals_the_reference_in_place_or_apart(machine, size, seed, tracked, in_place):
    generator = np.random.default_rng(seed)
    x, x_quant = bytes_like(generator, (size,)), input_quant(generator)
    e, e_quant = bytes_like(generator, (size,)), quant(generator)
    unit = e_quant.scale / F(DERIVATIVE_UNIT)
    products = e_quant.centered(e) * derivative_units(x, x_quant)
    result_quant = scaled_to(products, unit, quant(generator, tracked=tracked), generator)

    call = call_on(machine)
    placed_x, placed_quant = call.array(x), call.quant(result_quant)
    result = placed_x if in_place else call.array(np.zeros_like(x))
    params = swish_params(
        call,
        input=call.tensor(placed_x, call.quant(x_quant)),
        output_error=call.tensor(call.array(e), call.quant(e_quant)),
        input_error=call.tensor(result, placed_quant),
        table=table(call, generator),
    )
    call.run("hard_swish_u8_error", params)

    expected = requantize(products, unit / result_quant.scale, result_quant.zero_point)
    np.testing.assert_array_equal(result.value, expected)
    if tracked:
        result_quant.see(products.astype(F) * unit)
    assert placed_quant.value == call.quant(result_quant).value


def swish_f32(machine, x, e, in_place):
    """Return the output for `x`, and its error when that of the output is `e`."""
    call = call_on(machine)
    placed_x, output = call.array(x), call.array(np.zeros_like(x))
    result = placed_x if in_place else call.array(np.zeros_like(x))
    params = swish_params(
        call,
        input=call.tensor(placed_x),
        output=call.tensor(output),
        output_error=call.tensor(call.array(e)),
        input_error=call.tensor(result),
    )
    call.run("hard_swish_f32_forward", params)
    swished = output.value
    call.run("hard_swish_f32_error", params)
    return swished, result.value


@on_every_machine
@bounded(EXAMPLES // 4)
@given(size=sizes, seed=seeds, in_place=st.booleans())
def test_f32_is_the_exact_function_but_for_roundings(machine, size, seed, in_place):
    generator = np.random.default_rng(seed)
    x = np.append((generator.normal(size=size) * 3).astype(np.float32), F([-3, 3, 0, -1.5]))
    e = generator.normal(size=x.shape).astype(np.float32)
    swished, error = swish_f32(machine, x, e, in_place)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(swished, hard_swish(exact), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(error, e * hard_swish_derivative(exact), rtol=1e-6, atol=1e-6)
    on_host = swish_f32("host", x, e, in_place)
    assert (swished.tobytes(), error.tobytes()) == (on_host[0].tobytes(), on_host[1].tobytes())


def test_the_derivative_is_the_slope():
    x = np.linspace(-4, 4, 4001)
    slope = np.gradient(hard_swish(x), x)
    bends = np.abs(np.abs(x) - 3) < 0.01
    np.testing.assert_allclose(slope[~bends][1:-1], hard_swish_derivative(x)[~bends][1:-1], atol=1e-9)
