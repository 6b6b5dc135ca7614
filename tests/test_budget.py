"""Budgets: what does not fit is refused with the bytes, the largest tensors, and what would fit."""

from __future__ import annotations

import re

import pytest
from small_networks import NETWORKS

from harness.errors import BudgetError
from harness.model import load_network
from harness.plan import Plan, check_flash, check_ram, make_plan

STACK = 512
DIGITS = load_network("digits-cnn")
ALTERNATIVE = re.compile(r"(?:dtype (?P<dtype>\w+) with )?trainable_layers: (?P<layers>\d+) \((?P<bytes>\d+) bytes\)")


def refusal(plan: Plan, budget: int) -> str:
    with pytest.raises(BudgetError) as error:
        check_ram(plan, budget, STACK, "some.yaml:3:5")
    return str(error.value)


@pytest.mark.parametrize("dtype", ["uint8", "mixed", "float32"])
def test_the_budget_is_met_to_the_byte(dtype):
    plan = make_plan(DIGITS, dtype)
    check_ram(plan, plan.arena_bytes + STACK, STACK, "here")
    message = refusal(plan, plan.arena_bytes + STACK - 1)
    assert message.startswith(
        f"some.yaml:3:5: memory.ram_budget: the plan needs {plan.arena_bytes + STACK} bytes "
        f"(arena {plan.arena_bytes}, stack {STACK}), 1 more than the budget of {plan.arena_bytes + STACK - 1};"
    )


def test_the_largest_tensors_are_named_with_their_sizes():
    plan = make_plan(DIGITS, "float32")
    listed = re.search(r"largest tensors: (.*?);", refusal(plan, 4096))
    assert listed is not None
    named = dict(entry.rsplit(" ", 1) for entry in listed[1].split(", "))
    by_name = {tensor.name: tensor.padded_bytes for tensor in plan.tensors}
    assert {name: int(size) for name, size in named.items()} == {name: by_name[name] for name in named}
    largest = max(by_name[tensor.name] for tensor in plan.tensors if tensor.place == "state")
    assert str(largest) in named.values()


@pytest.mark.parametrize("network", [DIGITS, NETWORKS["overlapping-pools"], NETWORKS["mlp"]], ids=lambda net: net.name)
@pytest.mark.parametrize("dtype", ["uint8", "mixed", "float32"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    "options",
    [{}, {"tracked_activations": False, "tracked_errors": False}, {"velocities": True}, {"gradient_bits": 8}],
    ids=["defaults", "fixed ranges", "velocities", "8-bit gradients"],
)
def test_what_would_fit_does_fit(network, dtype, share, options):
    plan = make_plan(network, dtype, **options)
    budget = int((plan.arena_bytes + STACK) * share)
    message = refusal(plan, budget)
    found = list(ALTERNATIVE.finditer(message))
    assert found or "choose a smaller network" in message
    for match in found:
        named = make_plan(network, match["dtype"] or dtype, int(match["layers"]), **options)
        assert named.arena_bytes == int(match["bytes"])
        check_ram(named, budget, STACK, "here")


def test_the_deepest_suffix_that_fits_is_named():
    plan = make_plan(DIGITS, "uint8")
    smaller = [make_plan(DIGITS, "uint8", layers) for layers in (1, 2, 3)]
    for fitting in smaller:
        message = refusal(plan, fitting.arena_bytes + STACK)
        assert f"trainable_layers: {fitting.trained_layers} ({fitting.arena_bytes} bytes)" in message


def test_when_nothing_fits_a_smaller_network_is_asked_for():
    assert refusal(make_plan(DIGITS, "float32"), 600).endswith("choose a smaller network")


@pytest.mark.parametrize("dtype", ["uint8", "mixed", "float32"])
def test_constants_that_exceed_the_flash_budget_are_named_with_what_would_fit(dtype):
    plan = make_plan(load_network("lenet5"), dtype)
    check_flash(plan, plan.flash_bytes, "here")
    with pytest.raises(BudgetError) as raised:
        check_flash(plan, plan.flash_bytes - 1, "file.yaml:5:3")
    message = str(raised.value)
    assert message.startswith("file.yaml:5:3: memory.flash_budget: weights and constants take ")
    assert f"{plan.flash_bytes} bytes, 1 more than the budget of {plan.flash_bytes - 1}" in message
    assert "weights5" in message
    assert ("what would fit: dtype uint8" in message) == (dtype != "uint8")
    if dtype != "uint8":
        check_flash(make_plan(load_network("lenet5"), "uint8"), plan.flash_bytes - 1, "here")
