"""Training plans: operations in order, tensors with lifetimes and offsets, quantization, budget."""

from harness.plan.arena import Placement, place
from harness.plan.budget import check_ram
from harness.plan.deployment import Deployment, Ranges, deploy
from harness.plan.operation import Operation
from harness.plan.plan import Plan, make_plan
from harness.plan.tensor import CATEGORIES, Tensor

__all__ = [
    "CATEGORIES",
    "Deployment",
    "Operation",
    "Placement",
    "Plan",
    "Ranges",
    "Tensor",
    "check_ram",
    "deploy",
    "make_plan",
    "place",
]
