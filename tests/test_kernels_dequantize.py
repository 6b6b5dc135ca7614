"""The border between uint8 and float32 layers equals the reference in every bit, both ways."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernel_call import NOTHING
from kernel_cases import bounded, bytes_like, call_on, on_every_machine, quant, seeds
from reference.affine import Quant

EXAMPLES = 200

sizes = st.integers(1, 60)


@on_every_machine
@bounded(EXAMPLES)
@given(size=sizes, seed=seeds)
def test_activations_become_what_they_are_worth(machine, size, seed):
    generator = np.random.default_rng(seed)
    q, own = bytes_like(generator, (size,)), quant(generator)
    call = call_on(machine)
    output = call.array(np.zeros(size, dtype=np.float32))
    params = call.struct(
        "dequantize",
        input=call.tensor(call.array(q), call.quant(own)),
        output=call.tensor(output),
        output_error=NOTHING,
        input_error=NOTHING,
    )
    call.run("dequantize_forward", params)
    np.testing.assert_array_equal(output.value, own.real(q))


@on_every_machine
@bounded(EXAMPLES)
@given(size=sizes, seed=seeds, training=st.booleans(), tracked=st.booleans())
def test_errors_become_the_nearest_numbers_and_are_seen(machine, size, seed, training, tracked):
    generator = np.random.default_rng(seed)
    error = (generator.normal(size=size) * 10 ** generator.uniform(-6, 3)).astype(np.float32)
    own = Quant.covering(*np.quantile(error, generator.random(2)), tracked=tracked)
    call = call_on(machine)
    result, placed_quant = call.array(np.zeros(size, dtype=np.uint8)), call.quant(own)
    params = call.struct(
        "dequantize",
        input=NOTHING,
        output=NOTHING,
        output_error=call.tensor(call.array(error)),
        input_error=call.tensor(result, placed_quant),
    )
    call.run("dequantize_error", params, training=training)
    np.testing.assert_array_equal(result.value, own.quantized(error))
    if training and tracked:
        own.see(error)
    assert placed_quant.value == call.quant(own).value
