"""Plans: every operation finds what it reads, nothing overlaps, and what cannot be planned is refused with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_execution import PlanError, execute
from small_networks import NETWORKS, conv, dense, network

from harness.errors import InputError
from harness.model import Flatten, MaxPool2d, load_network, network_names
from harness.plan import CATEGORIES, make_plan

DTYPES = ("uint8", "mixed", "float32")
SHIPPED = {name: load_network(name) for name in network_names()}
ALL = {**NETWORKS, **SHIPPED}

PLANS = [
    pytest.param(net, dtype, trained, id=f"{net.name}-{dtype}-{trained}")
    for net in ALL.values()
    for dtype in DTYPES
    for trained in sorted({1, 2, 5, sum(layer.trainable for layer in net.layers)})
    if trained <= sum(layer.trainable for layer in net.layers)
]


@pytest.mark.parametrize(("net", "dtype", "trained"), PLANS)
def test_every_operation_finds_what_it_reads_and_the_state_survives(net, dtype, trained):
    execute(make_plan(net, dtype, trained))


@pytest.mark.parametrize("name", NETWORKS)
def test_plans_with_velocities_and_fixed_ranges_execute_too(name):
    execute(make_plan(NETWORKS[name], "uint8", velocities=True))
    execute(make_plan(NETWORKS[name], "uint8", tracked_activations=False, tracked_errors=False))


def test_the_execution_notices_a_tensor_that_dies_too_early():
    plan = make_plan(NETWORKS["conv-pool"], "uint8")
    victim = next(tensor for tensor in plan.tensors if tensor.name == "output1")
    victim.last -= 1
    with pytest.raises(PlanError, match=r"finds no (error_of_)?output1"):
        execute(plan)


def test_the_execution_notices_tensors_that_overlap():
    plan = make_plan(NETWORKS["conv-pool"], "uint8")
    step = [tensor for tensor in plan.tensors if tensor.place == "step" and tensor.inside is None]
    first, second = step[0], step[1]
    plan.offsets[second] = plan.offsets[first]
    with pytest.raises(PlanError):
        execute(plan)


@pytest.mark.parametrize(("net", "dtype", "trained"), PLANS)
def test_the_arena_is_within_five_per_cent_of_the_lower_bound(net, dtype, trained):
    plan = make_plan(net, dtype, trained)
    assert plan.lower_bound_bytes <= plan.arena_bytes <= 1.05 * plan.lower_bound_bytes
    assert plan.placement.size_bytes <= 1.05 * plan.placement.lower_bound_bytes


@pytest.mark.parametrize("name", ALL)
def test_categories_add_up_to_the_arena(name):
    plan = make_plan(ALL[name], "uint8")
    by_category = plan.bytes_by_category()
    assert sum(by_category.values()) == plan.arena_bytes
    assert set(by_category) == {*CATEGORIES, "unused"}
    assert by_category["unused"] >= 0
    trained = sum(structures.count * structures.elements for structures in plan.trained)
    assert by_category["gradients"] >= 4 * trained


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_in_fewer_bits_take_as_many_bytes_less_and_one_a_structure(name, bits):
    plans = [make_plan(NETWORKS[name], "uint8", gradient_bits=number) for number in (32, bits)]
    execute(plans[1])
    wide, narrow = ({tensor.name: tensor for tensor in plan.tensors} for plan in plans)
    for structures in plans[1].trained:
        name, exponents = structures.gradient.name, structures.exponents
        assert structures.gradient.size_bytes == structures.count * structures.elements * bits // 8
        assert exponents is not None
        assert exponents.size_bytes == structures.count
        assert narrow[name].size_bytes * 32 == wide[name].size_bytes * bits
    saved = sum(wide[s.gradient.name].padded_bytes - s.gradient.padded_bytes for s in plans[1].trained)
    added = sum(s.exponents.padded_bytes for s in plans[1].trained)
    waiting = sum(tensor.padded_bytes for tensor in plans[0].tensors if tensor.name.startswith("burst"))
    assert plans[0].state_bytes - plans[1].state_bytes == saved + waiting - added


def test_float32_layers_and_heads_keep_their_gradients_whatever_the_bits():
    for dtype, arenas in (("float32", 1), ("mixed", 1), ("uint8", 3)):
        plans = [make_plan(SHIPPED["digits-cnn"], dtype, 1, gradient_bits=bits) for bits in (8, 16, 32)]
        assert len({plan.arena_bytes for plan in plans}) == arenas


@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_is_aligned_and_inside_the_arena(name):
    plan = make_plan(NETWORKS[name], "uint8")
    for tensor in plan.tensors:
        if tensor.place != "flash":
            assert plan.offsets[tensor] % 4 == 0
            assert plan.offsets[tensor] + tensor.size_bytes <= plan.arena_bytes
            assert (plan.offsets[tensor] < plan.state_bytes) == (tensor.place == "state")


def test_only_what_is_trained_has_gradients_and_lies_in_the_state():
    for trained in (1, 2, 3, 4):
        plan = make_plan(NETWORKS["overlapping-pools"], "uint8", trained)
        layers = [structures.layer for structures in plan.trained]
        assert layers == [0, 3, 5, 6][-trained:]
        in_state = {tensor.name for tensor in plan.tensors if tensor.place == "state"}
        for layer in (0, 3, 5, 6):
            assert (f"weights{layer}" in in_state) == (layer in layers)
            assert (f"gradient{layer}" in in_state) == (layer in layers)


def test_the_same_network_gives_the_same_plan():
    first, second = (make_plan(SHIPPED["digits-cnn"], "uint8") for _ in range(2))
    assert list(first.offsets.values()) == list(second.offsets.values())


def test_a_network_without_weights_is_refused():
    with pytest.raises(InputError, match="no layer with weights"):
        make_plan(network("empty", (4, 4, 1), MaxPool2d(size=2), Flatten()), "uint8")


@pytest.mark.parametrize("trained", [0, -1, 4])
def test_a_number_of_layers_that_the_network_does_not_have_is_refused(trained):
    with pytest.raises(InputError, match=f"trainable_layers is {trained}, but the network has 3; expected 1 to 3"):
        make_plan(NETWORKS["mlp"], "uint8", trained)


@pytest.mark.parametrize(
    "layers",
    [
        (dense(4, relu=True),),
        (dense(4), dense(3, relu=True)),
    ],
)
def test_logits_that_come_out_of_an_activation_are_refused(layers):
    with pytest.raises(InputError, match=r"layers\[\d\]: .*out of relu"):
        make_plan(network("active", (6,), *layers), "float32")


@pytest.mark.parametrize("behind", [(Flatten(),), (MaxPool2d(size=2), Flatten())])
def test_an_activation_is_found_behind_layers_that_only_pass_it_on(behind):
    with pytest.raises(InputError, match="out of relu"):
        make_plan(network("hidden", (4, 4, 1), conv(2, kernel=1), *behind), "uint8")


def test_an_accumulator_that_could_overflow_is_refused_for_uint8_only():
    largest = ((1 << 31) - 1 - (1 << 30)) // 255**2
    make_plan(network("largest", (largest,), dense(2)), "uint8")
    too_large = network("too large", (largest + 1,), dense(2))
    with pytest.raises(InputError, match=rf"layers\[0\]: dense sums {largest + 1} products"):
        make_plan(too_large, "uint8")
    make_plan(too_large, "float32")


def test_shapes_that_do_not_fit_are_refused():
    wrong = replace(NETWORKS["conv-pool"], input_shape=(1, 1, 1))
    with pytest.raises(InputError, match=r"layers\[1\]"):
        make_plan(wrong, "uint8")
