"""What a training plan holds: nodes with their tensors, operations in order, and where everything lies."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.model import Network
from harness.plan.arena import Placement
from harness.plan.graph import Dtype, ElementDtype, Graph, Node
from harness.plan.operation import Operation
from harness.plan.tensor import CATEGORIES, GradientBits, Tensor


@dataclass(frozen=True)
class Structures:
    """The trained parameters of one layer; what lies in the state, and what a step needs besides."""

    layer: int
    count: int
    elements: int
    positions: int
    weights: Tensor
    bias: Tensor
    input_quant: Tensor | None
    output_error: Tensor
    bearers: int | None
    """The layer behind whose selected structures alone bear errors here: the error of the others is zero."""

    gradient: Tensor
    exponents: Tensor | None
    bias_gradient: Tensor
    velocity: Tensor | None
    bias_velocity: Tensor | None
    layers_behind: int
    touched: Tensor
    selected: Tensor
    ranking: Tensor
    selection: Tensor
    directions: Tensor | None


@dataclass(frozen=True)
class Burst:
    """Room for `steps` whose gradients a dense layer adds in one go; its tensors are zero while none waits."""

    steps: int
    held: Tensor
    inputs: Tensor
    errors: Tensor


@dataclass
class PlannedNode:
    """A node with its tensors; those it does not have are None."""

    node: Node
    inputs: tuple[Tensor, ...]
    output: Tensor
    weights: Tensor | None = None
    bias: Tensor | None = None
    structures: Structures | None = None
    output_error: Tensor | None = None
    input_error: Tensor | None = None
    winner: Tensor | None = None
    table: Tensor | None = None
    forward_scratch: Tensor | None = None
    gradient_scratch: Tensor | None = None
    error_scratch: Tensor | None = None
    burst: Burst | None = None


@dataclass(frozen=True)
class ErrorMeeting:
    """Where errors of two paths are summed (`right` is set), or an error is masked by the value it belongs to."""

    name: str
    dtype: ElementDtype
    left: Tensor
    right: Tensor | None
    result: Tensor
    value: Tensor
    activation: str


@dataclass
class Plan:
    """A training plan. `operations` is one training step that closes a minibatch, from load to update."""

    network: Network
    dtype: Dtype
    trained_layers: int
    tracked_activations: bool
    tracked_errors: bool
    velocities: bool
    gradient_bits: GradientBits
    graph: Graph
    input: Tensor
    logits: Tensor
    logits_error: Tensor
    probabilities: Tensor | None
    shared: Tensor
    nodes: list[PlannedNode]
    meetings: list[ErrorMeeting]
    operations: list[Operation]
    tensors: list[Tensor]
    tracked: list[Tensor]
    placement: Placement
    initial_bytes: int
    state_bytes: int
    offsets: dict[Tensor, int] = field(default_factory=dict)

    @property
    def arena_bytes(self) -> int:
        """Return the size of the arena."""
        return self.state_bytes + self.placement.size_bytes

    @property
    def flash_bytes(self) -> int:
        """Return the size of all constants: frozen tensors and the initial values of the state."""
        return self.initial_bytes + sum(tensor.padded_bytes for tensor in self.tensors if tensor.place == "flash")

    @property
    def lower_bound_bytes(self) -> int:
        """Return the smallest size any arena for this plan can have."""
        return self.state_bytes + self.placement.lower_bound_bytes

    @property
    def trained(self) -> list[Structures]:
        """Return the trained layers in forward order."""
        return [planned.structures for planned in self.nodes if planned.structures]

    def layer_name(self, layer: int) -> str:
        """Return a name for tables: `2 conv2d`."""
        return f"{layer} {self.network.layers[layer].type}"

    def alive_at(self, index: int) -> list[Tensor]:
        """Return the owners of arena memory that hold something at operation `index`, the state among them."""
        return [
            tensor
            for tensor in self.tensors
            if tensor.inside is None
            and (tensor.place == "state" or (tensor.place == "step" and tensor.first <= index <= tensor.last))
        ]

    def peak_operation(self) -> int:
        """Return the index of the first operation at which the most memory is alive."""
        return max(range(len(self.operations)), key=lambda at: sum(t.padded_bytes for t in self.alive_at(at)))

    def bytes_by_category(self) -> dict[str, int]:
        """Return the arena by category at the moment of the largest sum of live tensors; the rest is `unused`."""
        totals: dict[str, int] = dict.fromkeys(CATEGORIES, 0)
        for tensor in self.alive_at(self.peak_operation()):
            totals[tensor.category] += tensor.padded_bytes
        totals["unused"] = self.arena_bytes - sum(totals.values())
        return totals
