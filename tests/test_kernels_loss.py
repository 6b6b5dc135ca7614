"""Softmax cross-entropy: the bits of the reference, close to the exact value, and its gradient quantized."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from kernel_cases import bounded, bytes_like, call_on, on_every_machine, quant, scaled_to, seeds
from reference.affine import F
from reference.loss import softmax_cross_entropy

EXAMPLES = 200


def exact(logits: np.ndarray, label: int) -> tuple[float, np.ndarray]:
    """Return loss and gradient in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max())
    gradient = powers / powers.sum()
    loss = -np.log(gradient[label]) if gradient[label] > 0 else float(logits.max()) - float(logits[label])
    gradient[label] -= 1
    return loss, gradient


@on_every_machine
@bounded(EXAMPLES)
@given(classes=st.integers(1, 40), seed=seeds, spread=st.sampled_from([0.0, 1e-3, 1.0, 20.0, 200.0]))
@example(classes=2, seed=0, spread=1e30)
def test_f32_has_the_bits_of_the_reference_and_is_close_to_the_exact_loss(machine, classes, seed, spread):
    generator = np.random.default_rng(seed)
    logits = (generator.normal(size=classes) * spread).astype(np.float32)
    label = int(generator.integers(classes))
    call = call_on(machine)
    values = call.array(logits)
    params = call.struct("softmax_loss", logits=call.tensor(values), error=call.tensor(values), probabilities=0)
    step = call.run("softmax_loss_f32", params, label=label)

    expected = softmax_cross_entropy(logits, label)
    assert values.value.tobytes() == expected.gradient.tobytes()
    assert (step["loss"], step["correct"]) == (float(expected.value), expected.correct)
    loss, gradient = exact(logits, label)
    np.testing.assert_allclose(step["loss"], loss, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(values.value, gradient, rtol=1e-5, atol=1e-6)


@on_every_machine
@bounded(EXAMPLES)
@given(classes=st.integers(1, 40), seed=seeds)
def test_u8_equals_the_reference_in_place_or_apart(machine, classes, seed):
    generator = np.random.default_rng(seed)
    logits, label = bytes_like(generator, (classes,)), int(generator.integers(classes))
    training, tracked, in_place = (bool(flag) for flag in generator.random(3) < 0.5)
    logit_quant = quant(generator)
    logit_quant.scale = F(10 ** generator.uniform(-4, 0))
    expected = softmax_cross_entropy(logit_quant.real(logits), label)
    error_quant = scaled_to(np.ones(1), F(1), quant(generator, tracked=tracked), generator)

    call = call_on(machine)
    placed = call.array(logits)
    error = placed if in_place else call.array(np.full(classes, 77, dtype=np.uint8))
    placed_quant = call.quant(error_quant)
    params = call.struct(
        "softmax_loss",
        logits=call.tensor(placed, call.quant(logit_quant)),
        error=call.tensor(error, placed_quant),
        probabilities=call.array(np.zeros(classes, dtype=np.float32)).address,
    )
    before = error.value
    step = call.run("softmax_loss_u8", params, label=label, training=training)

    assert (step["loss"], step["correct"]) == (float(expected.value), expected.correct)
    if training:
        np.testing.assert_array_equal(error.value, error_quant.quantized(expected.gradient))
        if tracked:
            error_quant.see(expected.gradient)
    else:
        np.testing.assert_array_equal(error.value, before)
    assert placed_quant.value == call.quant(error_quant).value
