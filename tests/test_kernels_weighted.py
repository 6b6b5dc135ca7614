"""Kernels of layers with weights: uint8 equals the reference in every bit, float32 within the bound of its roundings.

The same cases run on the host and on each emulated core, so a kernel that only one core has is held to them too.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_call import DEFAULTS, NOTHING, Call
from kernel_cases import (
    Weighted,
    activation,
    bounded,
    bytes_like,
    call_on,
    dense_layers,
    on_every_machine,
    pointwise_convolutions,
    quant,
    scaled_to,
    seeds,
    selected_array,
    selection,
    weighted_layers,
)
from reference.accumulator import accumulated
from reference.activation import ACTIVATIONS, activated, activated_u8, passes, passes_u8
from reference.affine import F, Quant, requantize, saturated

from harness.plan.tensor import ELEMENT_BYTES

EXAMPLES = 300
SCRATCH_BYTES = {"conv2d": (4800, 8000), "depthwise_conv2d": (400, 8000), "dense": (4800, 8000)}
"""Next to the least that the largest case needs, and plenty."""

SCRATCH = {
    "conv2d": ("forward_scratch", "gradient_scratch", "error_scratch"),
    "depthwise_conv2d": ("forward_scratch", "gradient_scratch", "error_scratch"),
    "dense": ("forward_scratch", "error_scratch"),
}


def layer_params(call: Call, layer: Weighted, **members):
    """Place the struct of the layer; members that the kernel does not use are empty."""
    unused = {"input": NOTHING, "output": NOTHING, "weights": NOTHING, "bias": NOTHING, "input_error": NOTHING}
    optional = {"activation": "none", "input_activation": "none", "structures": 0, **members}
    for member in ("activation", "input_activation"):
        optional[member] = ACTIVATIONS.index(optional[member])
    scratch = {}
    for member in SCRATCH[layer.kind]:
        memory = call.array(np.full(SCRATCH_BYTES[layer.kind][layer.count % 2], 0xA5, dtype=np.uint8))
        scratch[member] = {"data": memory.address, "bytes": memory.value.size}
    if layer.kind == "dense":
        scratch["burst"] = DEFAULTS["burst"]
    return call.struct(layer.kind, **{**layer.numbers, **unused, **scratch, **optional})


def structures_params(call: Call, layer: Weighted, chosen, **members):
    selected = selected_array(call, chosen, layer.count)
    state = call.struct("selection", error_max=0.0, count=len(chosen), bias_scale=0.0)
    unused = {
        "weights": NOTHING, "bias": NOTHING, "input": 0, "gradient": 0, "bias_gradient": 0, "velocity": 0,
        "bias_velocity": 0, "layers_behind": 0, "touched": 0,
    }  # fmt: skip
    sizes = {"count": layer.count, "elements": layer.elements, "positions": layer.positions}
    chosen_ones = {"selected": selected.address, "ranking": 0, "selection": state.address}
    return call.struct("structures", **{**sizes, **unused, **chosen_ones, **members})


def only(chosen, error):
    """`error` with zeros for the structures that are not chosen."""
    kept = np.zeros_like(error)
    kept[..., chosen] = error[..., chosen]
    return kept


@on_every_machine
@bounded(EXAMPLES)
@given(layer=weighted_layers(), seed=seeds)
def test_forward_u8_equals_the_reference(machine, layer, seed):
    generator = np.random.default_rng(seed)
    x, w = bytes_like(generator, layer.input_shape), bytes_like(generator, layer.weight_shape)
    b = generator.integers(-(1 << 30), 1 << 30, layer.count) >> int(generator.integers(0, 30))
    folded = activation(generator)
    training, tracked = (bool(flag) for flag in generator.random(2) < 0.5)
    x_quant, w_quant = quant(generator), quant(generator)
    unit = x_quant.scale * w_quant.scale
    y_quant = quant(generator, tracked=tracked)
    sums = layer.forward(x_quant.centered(x), w_quant.centered(w)) + b
    y_quant = scaled_to(sums, unit, y_quant, generator)

    call = call_on(machine)
    output = call.array(np.zeros(layer.output_shape, dtype=np.uint8))
    placed_quant = call.quant(y_quant)
    params = layer_params(
        call,
        layer,
        input=call.tensor(call.array(x), call.quant(x_quant)),
        weights=call.tensor(call.array(w), call.quant(w_quant)),
        bias=call.tensor(call.array(b.astype(np.int32))),
        output=call.tensor(output, placed_quant),
        activation=folded,
    )
    call.run(f"{layer.kind}_u8_forward", params, training=training)

    expected = activated_u8(folded, requantize(sums, unit / y_quant.scale, y_quant.zero_point), y_quant)
    np.testing.assert_array_equal(output.value, expected)
    if training and tracked:
        y_quant.see(activated(folded, sums.astype(F) * unit))
    assert placed_quant.value == call.quant(y_quant).value


@on_every_machine
@bounded(EXAMPLES)
@given(layer=weighted_layers(), seed=seeds)
def test_gradient_u8_equals_the_reference_and_saturates(machine, layer, seed):
    generator = np.random.default_rng(seed)
    x, e = bytes_like(generator, layer.input_shape), bytes_like(generator, layer.output_shape)
    x_quant, e_quant = quant(generator), quant(generator)
    chosen = selection(generator, layer.count)
    limits = np.iinfo(np.int32)
    # One product a step and weight: a dense layer cannot reach the limits within a minibatch.
    near = 0 if layer.kind == "dense" else int(generator.choice([0, limits.min, limits.max]))
    before = np.clip(near + generator.integers(-9999, 9999, layer.weight_shape), limits.min, limits.max)
    bias_before = np.clip(near + generator.integers(-999, 999, layer.count), limits.min, limits.max)
    touched_before = generator.integers(0, 2, layer.count).astype(np.uint8)

    call = call_on(machine)
    gradient, bias_gradient = call.array(before.astype(np.int32)), call.array(bias_before.astype(np.int32))
    touched = call.array(touched_before)
    structures = structures_params(
        call,
        layer,
        chosen,
        output_error=call.tensor(call.array(e), call.quant(e_quant)),
        gradient=gradient.address,
        bias_gradient=bias_gradient.address,
        touched=touched.address,
    )
    placed_x = call.tensor(call.array(x), call.quant(x_quant))
    call.run(f"{layer.kind}_u8_gradient", layer_params(call, layer, input=placed_x, structures=structures.address))

    e_real = only(chosen, e_quant.centered(e))
    np.testing.assert_array_equal(gradient.value, saturated(before + layer.gradient(x_quant.centered(x), e_real)))
    bias_sums = e_real.reshape(-1, layer.count).sum(axis=0)
    np.testing.assert_array_equal(bias_gradient.value, saturated(bias_before + bias_sums))
    touched_before[chosen] = 1
    np.testing.assert_array_equal(touched.value, touched_before)


def by_channel(gradient: np.ndarray) -> np.ndarray:
    """`gradient` (structures, ...) as (structures, elements) in the order in which a kernel adds: by input channel."""
    return (np.moveaxis(gradient, -1, 1) if gradient.ndim == 4 else gradient).reshape(len(gradient), -1)


@on_every_machine
@bounded(EXAMPLES)
@given(layer=weighted_layers(), seed=seeds, bits=st.sampled_from([8, 16]))
def test_gradients_in_fewer_bits_equal_the_reference_and_their_exponents_grow(machine, layer, seed, bits):
    generator = np.random.default_rng(seed)
    x, e = bytes_like(generator, layer.input_shape), bytes_like(generator, layer.output_shape)
    x_quant, e_quant = quant(generator), quant(generator)
    chosen = selection(generator, layer.count)
    limits = np.iinfo(f"int{bits}")
    before = generator.integers(limits.min, limits.max, layer.weight_shape, endpoint=True).astype(limits.dtype)
    exponents = generator.integers(0, 20, layer.count).astype(np.uint8)

    call = call_on(machine)
    gradient, placed_exponents = call.array(before), call.array(exponents)
    structures = structures_params(
        call,
        layer,
        chosen,
        output_error=call.tensor(call.array(e), call.quant(e_quant)),
        gradient=gradient.address,
        gradient_bytes=bits // 8,
        exponents=placed_exponents.address,
        bias_gradient=call.array(np.zeros(layer.count, dtype=np.int32)).address,
        touched=call.array(np.zeros(layer.count, dtype=np.uint8)).address,
    )
    placed_x = call.tensor(call.array(x), call.quant(x_quant))
    call.run(f"{layer.kind}_u8_gradient", layer_params(call, layer, input=placed_x, structures=structures.address))

    added = by_channel(layer.gradient(x_quant.centered(x), only(chosen, e_quant.centered(e))))
    expected = by_channel(before).copy()
    for o in chosen:
        expected[o], exponents[o] = accumulated(expected[o], int(exponents[o]), added[o])
    np.testing.assert_array_equal(by_channel(gradient.value), expected)
    np.testing.assert_array_equal(placed_exponents.value, exponents)


@on_every_machine
@bounded(EXAMPLES)
@given(layer=dense_layers(), room=st.sampled_from([4, 8, 16]), steps=st.integers(0, 21), seed=seeds)
def test_steps_that_wait_in_a_burst_leave_the_sum_of_their_gradients(machine, layer, room, steps, seed):
    generator = np.random.default_rng(seed)
    x_quant, e_quant = quant(generator), quant(generator)
    before = generator.integers(-9999, 9999, layer.weight_shape).astype(np.int32)
    bias_before = generator.integers(-999, 999, layer.count).astype(np.int32)
    expected, expected_bias, expected_touched = before.copy(), bias_before.copy(), np.zeros(layer.count, dtype=np.uint8)
    padded = (-(-layer.elements // 2) * 2, -(-layer.count // 4) * 4)

    call = call_on(machine)
    gradient, bias_gradient = call.array(before), call.array(bias_before)
    touched, held = call.array(expected_touched), call.array(np.zeros(1, dtype=np.uint32))
    inputs = call.array(np.zeros(padded[0] * room, dtype=np.uint8))
    errors = call.array(np.zeros(padded[1] * room, dtype=np.int16))
    burst = {"room": room, "held": held.address, "inputs": inputs.address, "errors": errors.address}
    for step in range(steps):
        x, e = bytes_like(generator, layer.input_shape), bytes_like(generator, layer.output_shape)
        all_rows = np.arange(layer.count, dtype=np.uint16)
        chosen = all_rows if generator.random() < 0.5 else selection(generator, layer.count)
        structures = structures_params(
            call,
            layer,
            chosen,
            output_error=call.tensor(call.array(e), call.quant(e_quant)),
            gradient=gradient.address,
            bias_gradient=bias_gradient.address,
            touched=touched.address,
        )
        placed_x = call.tensor(call.array(x), call.quant(x_quant))
        params = layer_params(call, layer, input=placed_x, structures=structures.address, burst=burst)
        call.run("dense_u8_gradient", params, closes_minibatch=step == steps - 1)
        if step == steps - 1:
            call.run("dense_u8_settle", params)
        e_real = only(chosen, e_quant.centered(e))
        expected += layer.gradient(x_quant.centered(x), e_real)
        expected_bias += e_real
        expected_touched[chosen] = 1

    np.testing.assert_array_equal(gradient.value, expected)
    np.testing.assert_array_equal(bias_gradient.value, expected_bias)
    np.testing.assert_array_equal(touched.value, expected_touched)
    assert not any(left.value.any() for left in (held, inputs, errors))


@on_every_machine
@bounded(EXAMPLES)
@given(layer=weighted_layers(), seed=seeds)
def test_error_u8_equals_the_reference_in_place_or_apart(machine, layer, seed):
    generator = np.random.default_rng(seed)
    x, e = bytes_like(generator, layer.input_shape), bytes_like(generator, layer.output_shape)
    w = bytes_like(generator, layer.weight_shape)
    folded = activation(generator)
    tracked, in_place = (bool(flag) for flag in generator.random(2) < 0.5)
    x_quant, e_quant, w_quant = quant(generator), quant(generator), quant(generator)
    unit = w_quant.scale * e_quant.scale
    chosen = selection(generator, layer.count)
    sums = layer.error(only(chosen, e_quant.centered(e)), w_quant.centered(w))
    sums = np.where(passes_u8(folded, x, x_quant), sums, 0)
    result_quant = scaled_to(sums, unit, quant(generator, tracked=tracked), generator)

    call = call_on(machine)
    placed_x = call.array(x)
    result = placed_x if in_place else call.array(bytes_like(generator, layer.input_shape))
    placed_quant = call.quant(result_quant)
    structures = structures_params(call, layer, chosen, output_error=call.tensor(call.array(e), call.quant(e_quant)))
    params = layer_params(
        call,
        layer,
        input=call.tensor(placed_x, call.quant(x_quant)),
        weights=call.tensor(call.array(w), call.quant(w_quant)),
        input_error=call.tensor(result, placed_quant),
        input_activation=folded,
        structures=structures.address,
    )
    call.run(f"{layer.kind}_u8_error", params)

    expected = requantize(sums, unit / result_quant.scale, result_quant.zero_point)
    np.testing.assert_array_equal(result.value, expected)
    if tracked:
        result_quant.see(sums.astype(F) * unit)
    assert placed_quant.value == call.quant(result_quant).value


@on_every_machine
@bounded(40)
@given(layer=pointwise_convolutions(), seed=seeds, folded=st.sampled_from(["none", "relu"]))
def test_errors_beyond_their_range_are_seen_as_far_as_they_reach(machine, layer, seed, folded):
    generator = np.random.default_rng(seed)
    x, w = bytes_like(generator, layer.input_shape), bytes_like(generator, layer.weight_shape)
    e_quant, w_quant, x_quant = (quant(generator, zero_point=128) for _ in range(3))
    # Each position has larger errors than the one before; those that leave the range do so on its lower side, alone
    # among others that do not.
    growing = np.linspace(0.01, 1, layer.positions).reshape(*layer.output_shape[:2], 1)
    e = np.rint(128 + growing * generator.uniform(-127, 127, layer.output_shape)).astype(np.uint8)
    chosen = np.arange(layer.count, dtype=np.uint16)
    unit = w_quant.scale * e_quant.scale
    sums = layer.error(e_quant.centered(e), w_quant.centered(w))
    sums = np.where(passes_u8(folded, x, x_quant), sums, 0)
    like = quant(generator, zero_point=int(generator.integers(1, 120)), tracked=True)
    narrow = Quant(unit * F(max(np.abs(sums).max(), 1) / (255 - like.zero_point)), like.zero_point, tracked=True)

    call = call_on(machine)
    result = call.array(np.zeros(layer.input_shape, dtype=np.uint8))
    placed_quant = call.quant(narrow)
    structures = structures_params(call, layer, chosen, output_error=call.tensor(call.array(e), call.quant(e_quant)))
    params = layer_params(
        call,
        layer,
        input=call.tensor(call.array(x), call.quant(x_quant)),
        weights=call.tensor(call.array(w), call.quant(w_quant)),
        input_error=call.tensor(result, placed_quant),
        input_activation=folded,
        structures=structures.address,
    )
    call.run(f"{layer.kind}_u8_error", params)

    np.testing.assert_array_equal(result.value, requantize(sums, unit / narrow.scale, narrow.zero_point))
    narrow.see(sums.astype(F) * unit)
    assert placed_quant.value == call.quant(narrow).value


def floats(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 of both signs and zeros, sizes from 1e-6 to 1e3."""
    values = generator.normal(size=shape) * 10 ** generator.uniform(-6, 3)
    return np.where(generator.random(shape) < 0.1, 0, values).astype(np.float32)


def assert_within_roundings(seen, exact, magnitude, terms):
    """A float32 sum of `terms` in any order is within terms * 2^-23 of the sum of their magnitudes."""
    bound = (terms + 2) * 2.0**-23 * magnitude + 1e-37
    worst = np.abs(seen.astype(np.float64) - exact) - bound
    assert (worst <= 0).all(), f"off by {worst.max()} more than {bound.max()}"


def double(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64)


def forward_f32(machine, layer, x, w, b, folded):
    call = call_on(machine)
    output = call.array(np.zeros(layer.output_shape, dtype=np.float32))
    params = layer_params(
        call,
        layer,
        input=call.tensor(call.array(x)),
        weights=call.tensor(call.array(w)),
        bias=call.tensor(call.array(b)),
        output=call.tensor(output),
        activation=folded,
    )
    call.run(f"{layer.kind}_f32_forward", params)
    return output.value


@on_every_machine
@bounded(EXAMPLES // 2)
@given(layer=weighted_layers(), seed=seeds)
def test_forward_f32_is_the_sum_of_products_and_the_same_on_every_machine(machine, layer, seed):
    generator = np.random.default_rng(seed)
    x, w = floats(generator, layer.input_shape), floats(generator, layer.weight_shape)
    b, folded = floats(generator, (layer.count,)), activation(generator)
    seen = forward_f32(machine, layer, x, w, b, folded)

    exact = layer.forward(double(x), double(w)) + b
    magnitude = layer.forward(np.abs(double(x)), np.abs(double(w))) + np.abs(b)
    assert_within_roundings(seen, activated(folded, exact), magnitude, layer.elements + 1)
    assert seen.tobytes() == forward_f32("host", layer, x, w, b, folded).tobytes()


def gradient_f32(machine, layer, x, e, chosen, before, bias_before):
    call = call_on(machine)
    gradient, bias_gradient = call.array(before), call.array(bias_before)
    touched = call.array(np.zeros(layer.count, dtype=np.uint8))
    structures = structures_params(
        call,
        layer,
        chosen,
        output_error=call.tensor(call.array(e)),
        gradient=gradient.address,
        bias_gradient=bias_gradient.address,
        touched=touched.address,
    )
    params = layer_params(call, layer, input=call.tensor(call.array(x)), structures=structures.address)
    call.run(f"{layer.kind}_f32_gradient", params)
    assert np.flatnonzero(touched.value).tolist() == chosen.tolist()
    return gradient.value, bias_gradient.value


@on_every_machine
@bounded(EXAMPLES // 2)
@given(layer=weighted_layers(), seed=seeds)
def test_gradient_f32_is_the_sum_of_products_and_the_same_on_every_machine(machine, layer, seed):
    generator = np.random.default_rng(seed)
    x, e = floats(generator, layer.input_shape), floats(generator, layer.output_shape)
    before, bias_before = floats(generator, layer.weight_shape), floats(generator, (layer.count,))
    chosen = selection(generator, layer.count)
    arguments = (layer, x, e, chosen, before, bias_before)
    seen, seen_bias = gradient_f32(machine, *arguments)

    kept = double(only(chosen, e))
    magnitude = np.abs(before) + layer.gradient(np.abs(double(x)), np.abs(kept))
    assert_within_roundings(seen, before + layer.gradient(double(x), kept), magnitude, layer.positions + 1)
    rows = kept.reshape(-1, layer.count)
    bias_magnitude = np.abs(bias_before) + np.abs(rows).sum(axis=0)
    assert_within_roundings(seen_bias, bias_before + rows.sum(axis=0), bias_magnitude, layer.positions + 1)
    skipped = np.setdiff1d(np.arange(layer.count), chosen)
    assert seen[skipped].tobytes() == before[skipped].tobytes()
    on_host, bias_on_host = gradient_f32("host", *arguments)
    assert (seen.tobytes(), seen_bias.tobytes()) == (on_host.tobytes(), bias_on_host.tobytes())


def error_f32(machine, layer, x, e, w, chosen, folded, in_place):
    call = call_on(machine)
    placed_x = call.array(x)
    result = placed_x if in_place else call.array(np.full_like(x, 77))
    structures = structures_params(call, layer, chosen, output_error=call.tensor(call.array(e)))
    params = layer_params(
        call,
        layer,
        input=call.tensor(placed_x),
        weights=call.tensor(call.array(w)),
        input_error=call.tensor(result),
        input_activation=folded,
        structures=structures.address,
    )
    call.run(f"{layer.kind}_f32_error", params)
    return result.value


@on_every_machine
@bounded(EXAMPLES // 2)
@given(layer=weighted_layers(), seed=seeds)
def test_error_f32_is_the_sum_of_products_and_the_same_on_every_machine(machine, layer, seed):
    generator = np.random.default_rng(seed)
    x, e = floats(generator, layer.input_shape), floats(generator, layer.output_shape)
    w, chosen = floats(generator, layer.weight_shape), selection(generator, layer.count)
    folded, in_place = activation(generator), bool(generator.random() < 0.5)
    arguments = (layer, x, e, w, chosen, folded, in_place)
    seen = error_f32(machine, *arguments)

    kept = double(only(chosen, e))
    exact, magnitude = layer.error(kept, double(w)), layer.error(np.abs(kept), np.abs(double(w)))
    passing = passes(folded, x)
    exact, magnitude = np.where(passing, exact, 0), np.where(passing, magnitude, 0)
    terms = layer.positions * layer.count
    assert_within_roundings(seen, exact, magnitude, terms)
    assert seen.tobytes() == error_f32("host", *arguments).tobytes()


def test_a_parameter_that_a_test_forgets_is_named():
    with pytest.raises(AssertionError, match=r"struct dense: .*units"):
        call_on("host").struct("dense", features=1)


def test_the_sizes_of_structs_are_what_the_plan_reserves():
    for name in ("host", "rp2040"):
        layouts = call_on(name).machine.layouts
        for struct in ("quant", "selection", "shared", "direction"):
            assert layouts.size(struct) == ELEMENT_BYTES[struct]
        assert layouts.pack("quant", vars(Quant(F(0.5), 3))) == Quant(F(0.5), 3).pack()
