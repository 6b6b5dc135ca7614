"""Selection of structures equals the reference for every policy, on every machine."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernel_call import NOTHING, Call
from kernel_cases import bounded, bytes_like, call_on, on_every_machine, quant, seeds
from reference.affine import F
from reference.generator import Generator
from reference.selection import FORMS, POLICIES, Policy, granted, largest, select_u8

EXAMPLES = 300

RELATIVE_LOSS = F(0.75)
SEED = 12345

policies = st.builds(
    lambda name, form, low, high: Policy(name, F(min(low, high)), F(max(low, high)), form),
    st.sampled_from(sorted(POLICIES)),
    st.sampled_from(FORMS),
    st.sampled_from([1e-6, 0.1, 1 / 3, 0.5, 0.7, 1.0]),
    st.sampled_from([0.1, 0.5, 0.999, 1.0]),
)


def select(call: Call, suffix: str, policy: Policy, error: np.ndarray, error_quant, error_max):
    """Return the chosen structures and the new largest error."""
    positions, count = error.shape
    state = call.struct("selection", error_max=error_max, count=0, bias_scale=0.25)
    selected = call.array(np.full(count, 0xFFFF, dtype=np.uint16))
    structures = call.struct(
        "structures",
        count=count,
        elements=1,
        positions=positions,
        weights=NOTHING,
        bias=NOTHING,
        input=0,
        output_error=call.tensor(call.array(error), call.quant(error_quant) if error_quant else None),
        gradient=0,
        bias_gradient=0,
        touched=0,
        selected=selected.address,
        ranking=call.array(np.zeros(2 * count, dtype=np.uint32)).address,
        selection=state.address,
    )
    call.run(
        f"select_structures_{suffix}",
        structures,
        policy=POLICIES.index(policy.name),
        ratio_form=FORMS.index(policy.form),
        loss=RELATIVE_LOSS * F(4),
        loss_max=4.0,
        random=SEED,
        min_ratio=policy.min_ratio,
        max_ratio=policy.max_ratio,
    )
    after = state.value
    assert after["bias_scale"] == 0.25
    return selected.value[: after["count"]], F(after["error_max"])


@on_every_machine
@bounded(EXAMPLES)
@given(positions=st.integers(1, 30) | st.just(260), count=st.integers(1, 70), seed=seeds, policy=policies)
def test_u8_chooses_what_the_reference_chooses(machine, positions, count, seed, policy):
    generator = np.random.default_rng(seed)
    error = bytes_like(generator, (positions, count))
    if generator.random() < 0.5:
        error = (error // 86 + 127).astype(np.uint8)  # many ties
    error_quant = quant(generator)
    error_max = F(generator.choice([0, error_quant.scale * generator.uniform(0, 128)]))
    chosen, new_max = select(call_on(machine), "u8", policy, error, error_quant, error_max)
    expected, expected_max = select_u8(
        policy, error_quant.centered(error), error_quant.scale, error_max, RELATIVE_LOSS, Generator(SEED)
    )
    assert chosen.tolist() == expected.tolist()
    assert new_max == expected_max


@on_every_machine
@bounded(EXAMPLES)
@given(positions=st.integers(1, 30), count=st.integers(1, 70), seed=seeds, policy=policies)
def test_f32_chooses_the_largest_sums_of_magnitudes(machine, positions, count, seed, policy):
    generator = np.random.default_rng(seed)
    # Eighths of small integers add up without rounding, in any order.
    error = (generator.integers(-20, 21, (positions, count)) / 8).astype(np.float32)
    error_max = F(generator.choice([0, generator.uniform(0, 3)]))
    chosen, new_max = select(call_on(machine), "f32", policy, error, None, error_max)
    magnitudes = np.abs(error).sum(axis=0)
    if policy.name in ("full", "last-layers"):
        assert chosen.tolist() == list(range(count))
        return
    number, expected_max = granted(policy, count, F(magnitudes.sum()) / F(error.size), error_max, RELATIVE_LOSS)
    if policy.name == "random" and number < count:
        magnitudes = Generator(SEED).numbers(count)
    assert chosen.tolist() == largest(magnitudes, number).tolist()
    assert new_max == expected_max


@on_every_machine
def test_every_number_from_one_to_all_is_chosen(machine):
    error = np.arange(41, dtype=np.uint8)[np.newaxis, ::-1].copy()
    error_quant = quant(np.random.default_rng(0), zero_point=20)
    for number in range(1, 42):
        policy = Policy("static", F((number + 0.5) / 41), F(1))
        chosen, _ = select(call_on(machine), "u8", policy, error, error_quant, F(0))
        assert chosen.tolist() == largest(np.abs(error[0].astype(int) - 20), number).tolist()
