"""Does a plan fit its budgets, and if not, what takes the memory and what would fit."""

from __future__ import annotations

from harness.errors import BudgetError
from harness.plan.plan import Plan
from harness.plan.planner import make_plan

LARGEST_SHOWN = 4


def _alternatives(plan: Plan, available_bytes: int) -> str:
    """Name the plans of the same network that would fit: fewer trained layers, the other data type."""
    found: list[str] = []
    dtypes = [plan.dtype] if plan.dtype == "uint8" else [plan.dtype, "uint8"]
    for dtype in dtypes:
        start = plan.trained_layers - 1 if dtype == plan.dtype else plan.trained_layers
        for layers in range(start, 0, -1):
            candidate = make_plan(
                plan.network,
                dtype,  # type: ignore[arg-type]
                layers,
                tracked_activations=plan.tracked_activations,
                tracked_errors=plan.tracked_errors,
                velocities=plan.velocities,
                gradient_bits=plan.gradient_bits,
            )
            if candidate.arena_bytes <= available_bytes:
                kind = "" if dtype == plan.dtype else f"dtype {dtype} with "
                found.append(f"{kind}trainable_layers: {layers} ({candidate.arena_bytes} bytes)")
                break
    return " or ".join(found) if found else "no smaller plan of this network; choose a smaller network"


def check_ram(plan: Plan, budget_bytes: int, stack_bytes: int, where: str) -> None:
    """Raise BudgetError when arena and stack exceed the budget; `where` is the file position of the budget."""
    needed = plan.arena_bytes + stack_bytes
    if needed <= budget_bytes:
        return
    largest = sorted(plan.alive_at(plan.peak_operation()), key=lambda tensor: -tensor.padded_bytes)[:LARGEST_SHOWN]
    listed = ", ".join(f"{tensor.name} {tensor.padded_bytes}" for tensor in largest)
    raise BudgetError(
        f"{where}: memory.ram_budget: the plan needs {needed} bytes (arena {plan.arena_bytes}, stack {stack_bytes}), "
        f"{needed - budget_bytes} more than the budget of {budget_bytes}; largest tensors: {listed}; "
        f"what would fit: {_alternatives(plan, budget_bytes - stack_bytes)}"
    )


def check_flash(plan: Plan, budget_bytes: int, where: str) -> None:
    """Raise BudgetError when the constants alone exceed the flash budget; what the code adds, the linker knows."""
    if plan.flash_bytes <= budget_bytes:
        return
    stored = [tensor for tensor in plan.tensors if tensor.category == "weights"]
    largest = sorted(stored, key=lambda tensor: -tensor.padded_bytes)[:LARGEST_SHOWN]
    listed = ", ".join(f"{tensor.name} {tensor.padded_bytes}" for tensor in largest)
    smaller = make_plan(plan.network, "uint8", plan.trained_layers)
    fits = plan.dtype != "uint8" and smaller.flash_bytes <= budget_bytes
    advice = f"dtype uint8 ({smaller.flash_bytes} bytes and the code)" if fits else "a smaller network"
    raise BudgetError(
        f"{where}: memory.flash_budget: weights and constants take {plan.flash_bytes} bytes, "
        f"{plan.flash_bytes - budget_bytes} more than the budget of {budget_bytes}, and the code comes on top; largest "
        f"tensors: {listed}; what would fit: {advice}"
    )
