"""Training plans: operations in order, tensors with lifetimes and offsets, quantization, budget."""

from harness.plan.arena import Placement, place
from harness.plan.budget import check_flash, check_ram
from harness.plan.deployment import Affine, Deployment, Ranges, deploy, weights_in_state
from harness.plan.graph import Dtype, Graph, Node, Value
from harness.plan.operation import Operation
from harness.plan.plan import Burst, ErrorMeeting, Plan, PlannedNode, Structures
from harness.plan.planner import make_plan
from harness.plan.tensor import CATEGORIES, Tensor

__all__ = [
    "CATEGORIES",
    "Affine",
    "Burst",
    "Deployment",
    "Dtype",
    "ErrorMeeting",
    "Graph",
    "Node",
    "Operation",
    "Placement",
    "Plan",
    "PlannedNode",
    "Ranges",
    "Structures",
    "Tensor",
    "Value",
    "check_flash",
    "check_ram",
    "deploy",
    "make_plan",
    "place",
    "weights_in_state",
]
