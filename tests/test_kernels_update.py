"""The standardized update: uint8 with the bits of the reference, float32 close to the exact formula."""

from __future__ import annotations

import copy

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernel_call import Call
from kernel_cases import bounded, bytes_like, call_on, on_every_machine, quant, seeds
from reference.affine import F, Quant
from reference.generator import Generator
from reference.update import OPTIMIZERS, Descent, change_bias_unit, update_bias, update_weights

EXAMPLES = 300

shapes = st.tuples(st.integers(1, 12), st.integers(1, 40))
rates = st.sampled_from([0.0, 1e-4, 0.01, 0.3, 3.0])


descents = st.builds(
    lambda optimizer, rate, momentum, smoothing, slack, stochastic: Descent(
        F(rate), optimizer, F(momentum), F(smoothing), F(slack), stochastic
    ),
    st.sampled_from(OPTIMIZERS),
    st.sampled_from([0.0, 1e-4, 0.01, 0.3, 3.0, 100.0]),
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from([0.1, 0.7, 1.0]),
    st.sampled_from([0.0, 0.1, 0.5, 0.99]),
    st.booleans(),
)
SEED = 4711


def floats(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (generator.normal(size=shape) * 10 ** generator.uniform(-6, 2)).astype(np.float32)


def weight_range(generator: np.random.Generator) -> Quant:
    if generator.random() < 0.3:
        # The largest value is the end of the range, exactly.
        unit = 2.0 ** int(generator.integers(-12, 0))
        return Quant.covering(-128 * unit, 127 * unit)
    low, high = -(generator.uniform(0, 1) ** 3), generator.uniform(0, 1) ** 3
    return Quant.covering(*(float(generator.choice([1e-4, 1, 30])) * np.array([low, high])))


def structures(
    call: Call, weights, weight_quant, bias, error_quant, gradient, bias_gradient, touched, unit,
    velocities=None, input_quant=None,
):  # fmt: skip
    """Place what an update changes; return the struct and the parts by name."""
    count, elements = weights.shape
    parts = {
        "weights": call.array(weights),
        "bias": call.array(bias),
        "gradient": call.array(gradient),
        "bias_gradient": call.array(bias_gradient),
        "touched": call.array(touched),
        "selection": call.struct("selection", error_max=1.5, count=3, bias_scale=unit),
    }
    if weight_quant:
        parts["quant"] = call.quant(weight_quant)
    if velocities:
        parts |= {"velocity": call.array(velocities[0]), "bias_velocity": call.array(velocities[1])}
    error = call.array(np.zeros(count, dtype=np.uint8))
    params = call.struct(
        "structures",
        count=count,
        elements=elements,
        positions=1,
        weights=call.tensor(parts["weights"], parts.get("quant")),
        bias=call.tensor(parts["bias"]),
        input=call.quant(input_quant).address if input_quant else 0,
        velocity=parts["velocity"].address if velocities else 0,
        bias_velocity=parts["bias_velocity"].address if velocities else 0,
        output_error=call.tensor(error, call.quant(error_quant) if error_quant else None),
        gradient=parts["gradient"].address,
        bias_gradient=parts["bias_gradient"].address,
        touched=parts["touched"].address,
        selected=0,
        ranking=0,
        directions=call.array(np.zeros(3 * count, dtype=np.uint32)).address,
        selection=parts["selection"].address,
    )
    return params, parts


@on_every_machine
@bounded(EXAMPLES)
@given(shape=shapes, seed=seeds, descent=descents, batch_size=st.integers(1, 300))
def test_u8_equals_the_reference(machine, shape, seed, descent, batch_size):
    generator = np.random.default_rng(seed)
    size = int(10 ** generator.uniform(0, 9.3))
    weights, weight_quant = bytes_like(generator, shape), weight_range(generator)
    gradient = generator.integers(-size, size, shape).astype(np.int32)
    if generator.random() < 0.2:
        gradient[0] = gradient[0, 0]  # no deviation
    bias = generator.integers(-size, size, shape[0]).astype(np.int32)
    bias_gradient = generator.integers(-size, size, shape[0]).astype(np.int32)
    touched = (generator.random(shape[0]) < generator.choice([0.0, 0.5, 1.0])).astype(np.uint8)
    gradient[touched == 0] = 0
    bias_gradient[touched == 0] = 0
    error_quant, unit = quant(generator), F(10 ** generator.uniform(-8, 0))
    input_quant = quant(generator)
    velocity, bias_velocity = floats(generator, shape), floats(generator, (shape[0],))

    call = call_on(machine)
    plain = descent.optimizer == "standardized"
    velocities = None if plain else (velocity, bias_velocity)
    params, parts = structures(
        call, weights, weight_quant, bias, error_quant, gradient, bias_gradient, touched, unit, velocities, input_quant
    )
    step = call.run(
        "update_structures_u8",
        params,
        random=SEED,
        optimizer=OPTIMIZERS.index(descent.optimizer),
        rounding=int(descent.stochastic),
        batch_size=batch_size,
        learning_rate=descent.learning_rate,
        momentum=descent.momentum,
        weight_smoothing=descent.weight_smoothing,
        weight_slack=descent.slack,
    )

    numbers = Generator(SEED)
    gradient_unit = input_quant.scale * error_quant.scale
    expected, expected_quant, expected_velocity = update_weights(
        weights, weight_quant, gradient, velocity, touched, descent, gradient_unit, batch_size, numbers
    )
    np.testing.assert_array_equal(parts["weights"].value, expected)
    assert parts["quant"].value == call.quant(expected_quant).value
    expected_bias, expected_bias_velocity = update_bias(
        bias, bias_gradient, bias_velocity, touched, descent, error_quant.scale, batch_size, unit
    )
    np.testing.assert_array_equal(parts["bias"].value, expected_bias)
    if not plain:
        np.testing.assert_array_equal(parts["velocity"].value, expected_velocity)
        np.testing.assert_array_equal(parts["bias_velocity"].value, expected_bias_velocity)
    assert step["shared"]["random"] == numbers.state
    for name in ("gradient", "bias_gradient", "touched"):
        assert not parts[name].value.any(), name


@on_every_machine
@bounded(EXAMPLES)
@given(shape=shapes, seed=seeds, rate=rates, batch_size=st.integers(1, 300))
def test_f32_moves_touched_structures_by_the_standardized_gradient(machine, shape, seed, rate, batch_size):
    generator = np.random.default_rng(seed)
    weights, gradient = (generator.normal(size=shape).astype(np.float32) for _ in range(2))
    bias, bias_gradient = (generator.normal(size=shape[0]).astype(np.float32) for _ in range(2))
    touched = (generator.random(shape[0]) < 0.6).astype(np.uint8)

    call = call_on(machine)
    params, parts = structures(call, weights, None, bias, None, gradient, bias_gradient, touched, F(0))
    call.run("update_structures_f32", params, learning_rate=rate, batch_size=batch_size)

    exact = gradient.astype(np.float64)
    deviation = exact.std(axis=1, keepdims=True)
    moves = F(rate) * np.divide(exact - exact.mean(axis=1, keepdims=True), deviation, where=deviation > 0,
                                out=np.zeros_like(exact))  # fmt: skip
    on = touched == 1
    np.testing.assert_allclose(parts["weights"].value[on], (weights - moves)[on], rtol=1e-5, atol=1e-5 * (1 + rate))
    expected_bias = bias - F(rate) * bias_gradient.astype(np.float64) / batch_size
    np.testing.assert_allclose(parts["bias"].value[on], expected_bias[on], rtol=1e-5, atol=1e-5 * (1 + rate))
    assert parts["weights"].value[~on].tobytes() == weights[~on].tobytes()
    assert parts["bias"].value[~on].tobytes() == bias[~on].tobytes()
    assert not parts["gradient"].value[on].any()
    assert not parts["touched"].value.any()


@on_every_machine
@bounded(EXAMPLES)
@given(count=st.integers(1, 20), seed=seeds)
def test_the_bias_keeps_its_value_in_its_new_unit(machine, count, seed):
    generator = np.random.default_rng(seed)
    size = int(10 ** generator.uniform(0, 9))
    bias = generator.integers(-size, size, count, endpoint=True).astype(np.int32)
    input_quant, weight_quant = quant(generator), quant(generator)
    after = input_quant.scale * weight_quant.scale
    before = after if generator.random() < 0.2 else after * F(10 ** generator.uniform(-3, 3))

    call = call_on(machine)
    placed, state = call.array(bias), call.struct("selection", error_max=1.5, count=3, bias_scale=before)
    empty = {"gradient": 0, "bias_gradient": 0, "touched": 0, "selected": 0, "ranking": 0}
    params = call.struct(
        "structures",
        count=count,
        elements=1,
        positions=1,
        weights=call.tensor(call.array(np.zeros(count, dtype=np.uint8)), call.quant(weight_quant)),
        bias=call.tensor(placed),
        input=call.quant(input_quant).address,
        output_error={"data": 0, "quant": 0, "elements": 0},
        selection=state.address,
        **empty,
    )
    call.run("update_bias_unit", params)
    np.testing.assert_array_equal(placed.value, change_bias_unit(bias, before, after))
    assert state.value == {"error_max": 1.5, "count": 3, "bias_scale": float(after)}


@on_every_machine
@bounded(EXAMPLES)
@given(count=st.integers(0, 5), seed=seeds, smoothing=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_tracked_ranges_follow_what_was_seen(machine, count, seed, smoothing):
    generator = np.random.default_rng(seed)
    quants = []
    for _ in range(count):
        followed = weight_range(generator)
        followed.tracked = True
        size = 10 ** generator.uniform(-9, 2)
        followed.see((generator.normal(size=3) * size).astype(np.float32))
        quants.append(followed)

    call = call_on(machine)
    placed = [call.quant(followed) for followed in quants]
    pointer = np.uint64 if machine == "host" else np.uint32
    listed = call.array(np.array([one.address for one in placed] or [0], dtype=pointer))
    params = call.struct("tracked_ranges", list=listed.address, count=count)
    call.run("update_ranges", params, range_smoothing=smoothing)

    for seen, followed in zip(placed, quants, strict=True):
        expected = copy.copy(followed)
        expected.follow(F(smoothing))
        assert seen.value == call.quant(expected).value


@given(shape=st.tuples(st.integers(1, 12), st.integers(8, 40)), seed=seeds, rate=st.sampled_from([1e-3, 0.01, 0.1]))
@bounded(EXAMPLES)
def test_sixteen_bits_of_gradient_are_enough_for_the_weights_that_plain_arithmetic_gives(shape, seed, rate):
    generator = np.random.default_rng(seed)
    weights, before = generator.integers(0, 256, shape, dtype=np.uint8), Quant.covering(-0.4, 0.6)
    weights[0, :2] = 0, 255
    size, mean = 10 ** generator.uniform(2, 7.5), generator.uniform(-10, 10)
    gradient = (size * (generator.normal(size=shape) + mean)).astype(np.int32)
    touched = generator.random(shape[0]) < 0.7

    exact = gradient.astype(np.float64)
    standardized = (exact - exact.mean(axis=1, keepdims=True)) / exact.std(axis=1, keepdims=True)
    wanted = before.real(weights) - np.where(touched[:, None], rate * standardized, 0)
    seen, after, _ = update_weights(
        weights, before, gradient, np.zeros(shape), touched, Descent(F(rate)), F(1), 1, Generator(SEED)
    )
    np.testing.assert_allclose([after.low, after.high], [min(wanted.min(), 0), max(wanted.max(), 0)], atol=1e-4)
    off = np.abs(seen.astype(int) - after.quantized(wanted.astype(np.float32)))
    assert off.max() <= 1
    assert np.count_nonzero(off) <= 2 + 0.04 * off.size
