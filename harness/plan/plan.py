"""From a network to a training plan: which operations run in a step, in which order, on which tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.errors import InputError
from harness.model import Conv2d, Dense, Flatten, MaxPool2d, Network
from harness.plan.arena import Placement, place
from harness.plan.operation import NO_LAYER, Operation
from harness.plan.tensor import CATEGORIES, Category, ElementType, Tensor

Dtype = Literal["uint8", "float32"]

_LARGEST_SUM = (1 << 31) - 1
_LARGEST_BIAS = 1 << 30
_LARGEST_PRODUCT = 255 * 255


@dataclass(frozen=True)
class Structures:
    """The trained parameters of one layer; all tensors lie in the state but `selected` and `ranking`."""

    layer: int
    count: int
    elements: int
    positions: int
    weights: Tensor
    bias: Tensor
    input_quant: Tensor | None
    output_error: Tensor
    gradient: Tensor
    bias_gradient: Tensor
    touched: Tensor
    selected: Tensor
    ranking: Tensor
    selection: Tensor


@dataclass(frozen=True)
class PlannedLayer:
    """One layer with its tensors; those it does not have are None."""

    index: int
    spec: Conv2d | MaxPool2d | Flatten | Dense
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    input: Tensor
    output: Tensor
    input_relu: bool
    weights: Tensor | None = None
    bias: Tensor | None = None
    structures: Structures | None = None
    input_error: Tensor | None = None
    output_error: Tensor | None = None
    winner: Tensor | None = None

    @property
    def name(self) -> str:
        """Return a name for tables: `2 conv2d`."""
        return f"{self.index} {self.spec.type}"


@dataclass
class Plan:
    """A training plan. `operations` is one training step that closes a minibatch, from load to update."""

    network: Network
    dtype: Dtype
    trained_layers: int
    input: Tensor
    logits: Tensor
    probabilities: Tensor | None
    layers: list[PlannedLayer]
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
    def lower_bound_bytes(self) -> int:
        """Return the smallest size any arena for this plan can have."""
        return self.state_bytes + self.placement.lower_bound_bytes

    @property
    def trained(self) -> list[Structures]:
        """Return the trained layers in forward order."""
        return [layer.structures for layer in self.layers if layer.structures]

    def bytes_by_category(self) -> dict[str, int]:
        """Return the arena by category; `step` tensors count as at the moment of the largest sum of live tensors."""
        totals: dict[str, int] = dict.fromkeys(CATEGORIES, 0)
        owners = [tensor for tensor in self.tensors if tensor.inside is None]
        peak = self.peak_operation()
        for tensor in owners:
            if tensor.place == "state" or (tensor.place == "step" and tensor.first <= peak <= tensor.last):
                totals[tensor.category] += tensor.padded_bytes
        totals["unused"] = self.arena_bytes - sum(totals.values())
        return totals

    def peak_operation(self) -> int:
        """Return the index of the first operation at which the most memory is alive."""
        step = [tensor for tensor in self.tensors if tensor.inside is None and tensor.place == "step"]
        return max(
            range(len(self.operations)),
            key=lambda index: sum(t.padded_bytes for t in step if t.first <= index <= t.last),
        )


class _Planner:
    """Builds one plan; tensors are created on the way and get their lifetimes from the operations."""

    def __init__(
        self, network: Network, dtype: Dtype, trained_layers: int, tracked_activations: bool, tracked_errors: bool
    ) -> None:
        self.network = network
        self.dtype: Dtype = dtype
        self.quantized = dtype == "uint8"
        self.kernel_suffix = "u8" if self.quantized else "f32"
        self.shapes = network.shapes()
        self.tracked_activations = tracked_activations and self.quantized
        self.tracked_errors = tracked_errors and self.quantized
        self.tensors: list[Tensor] = []
        self.tracked: list[Tensor] = []
        self.first_trained = [i for i, layer in enumerate(network.layers) if layer.trainable][-trained_layers]
        self.trained_layers = trained_layers

    def tensor(
        self, name: str, element_type: ElementType, elements: int, category: Category, place: str = "step"
    ) -> Tensor:
        assert place in ("state", "step", "flash")
        tensor = Tensor(name, element_type, elements, category, place)  # type: ignore[arg-type]
        self.tensors.append(tensor)
        return tensor

    def quant(self, name: str, in_state: bool, tracked: bool = False) -> Tensor | None:
        if not self.quantized:
            return None
        quant = self.tensor(f"{name}_quant", "quant", 1, "quantization", "state" if in_state else "flash")
        if tracked:
            self.tracked.append(quant)
        return quant

    def values(self, name: str, elements: int, category: Category, quant: Tensor | None) -> Tensor:
        tensor = self.tensor(name, self.dtype, elements, category)
        tensor.quant = quant
        return tensor

    def activations(self) -> list[Tensor]:
        """Return the tensor at each layer boundary; flatten shares its input."""
        boundaries: list[Tensor] = []
        for index, shape in enumerate(self.shapes):
            elements = 1
            for extent in shape:
                elements *= extent
            spec = self.network.layers[index - 1] if index else None
            if isinstance(spec, Flatten):
                boundaries.append(boundaries[-1])
                continue
            name = f"activation{index}"
            if isinstance(spec, MaxPool2d):
                quant = boundaries[-1].quant
            else:
                tracked = self.tracked_activations and index > self.first_trained
                quant = self.quant(name, in_state=tracked, tracked=tracked)
            boundaries.append(self.values(name, elements, "activations", quant))
        return boundaries

    def errors(self, boundaries: list[Tensor]) -> dict[int, Tensor]:
        """Return the error at each boundary that the backward pass reaches.

        An error lies in place of the activation at its boundary wherever the operation that computes it reads that
        activation for the last time; behind a pooling layer the activation is long gone and the error is its own.
        """
        layers = self.network.layers
        errors: dict[int, Tensor] = {}
        for index in range(len(layers), self.first_trained, -1):
            consumer = layers[index] if index < len(layers) else None
            if isinstance(consumer, Flatten):
                errors[index] = errors[index + 1]
                continue
            name = f"error{index}"
            if isinstance(consumer, MaxPool2d):
                tensor = self.values(name, boundaries[index].elements, "errors", errors[index + 1].quant)
            else:
                quant = self.quant(name, in_state=self.tracked_errors, tracked=self.tracked_errors)
                tensor = self.values(name, boundaries[index].elements, "errors", quant)
                tensor.inside = boundaries[index]
            errors[index] = tensor
        return errors

    def structures(self, index: int, source: Tensor, weights: Tensor, bias: Tensor, error: Tensor) -> Structures:
        count = bias.elements
        gradient_type: ElementType = "int32" if self.quantized else "float32"
        return Structures(
            layer=index,
            count=count,
            elements=weights.elements // count,
            positions=error.elements // count,
            weights=weights,
            bias=bias,
            input_quant=source.quant,
            output_error=error,
            gradient=self.tensor(f"gradient{index}", gradient_type, weights.elements, "gradients", "state"),
            bias_gradient=self.tensor(f"bias_gradient{index}", gradient_type, count, "gradients", "state"),
            touched=self.tensor(f"touched{index}", "uint8", count, "selection", "state"),
            selected=self.tensor(f"selected{index}", "uint16", count, "selection"),
            ranking=self.tensor(f"ranking{index}", "uint32", 2 * count, "scratch"),
            selection=self.tensor(f"selection{index}", "selection", 1, "selection", "state"),
        )

    def after_relu(self, index: int) -> bool:
        """Say whether the activation at boundary `index` comes out of a ReLU, possibly through pooling."""
        if index == 0:
            return False
        spec = self.network.layers[index - 1]
        if isinstance(spec, MaxPool2d | Flatten):
            return self.after_relu(index - 1)
        return spec.activation == "relu"

    def layers(self) -> list[PlannedLayer]:
        boundaries = self.activations()
        errors = self.errors(boundaries)
        planned: list[PlannedLayer] = []
        for index, spec in enumerate(self.network.layers):
            source = boundaries[index]
            weights = bias = winner = None
            structures = None
            if isinstance(spec, Conv2d | Dense):
                count = self.shapes[index + 1][-1]
                elements = spec.kernel**2 * self.shapes[index][2] if isinstance(spec, Conv2d) else source.elements
                trained = index >= self.first_trained
                place = "state" if trained else "flash"
                weights = self.tensor(f"weights{index}", self.dtype, count * elements, "weights", place)
                weights.quant = self.quant(f"weights{index}", in_state=trained)
                bias_type: ElementType = "int32" if self.quantized else "float32"
                bias = self.tensor(f"bias{index}", bias_type, count, "weights", place)
                if trained:
                    structures = self.structures(index, source, weights, bias, errors[index + 1])
            if isinstance(spec, MaxPool2d) and index > self.first_trained:
                winner = self.tensor(f"winner{index}", "uint8", boundaries[index + 1].elements, "activations")
            planned.append(
                PlannedLayer(
                    index=index,
                    spec=spec,
                    input_shape=self.shapes[index],
                    output_shape=self.shapes[index + 1],
                    input=source,
                    output=boundaries[index + 1],
                    input_relu=self.after_relu(index),
                    weights=weights,
                    bias=bias,
                    structures=structures,
                    input_error=errors.get(index) if index > self.first_trained else None,
                    output_error=errors.get(index + 1),
                    winner=winner,
                )
            )
        return planned

    def forward(self, layer: PlannedLayer) -> Operation:
        params = f"{layer.spec.type}{layer.index}"
        winner = [layer.winner] if layer.winner else []
        return Operation(
            f"{layer.spec.type}_{self.kernel_suffix}_forward",
            "forward",
            layer.index,
            params,
            reads=[layer.input],
            writes=[layer.output, *winner],
        )

    def backward(self, layer: PlannedLayer) -> list[Operation]:
        params = f"{layer.spec.type}{layer.index}"
        kernel = f"{layer.spec.type}_{self.kernel_suffix}"
        operations: list[Operation] = []
        reads = [layer.output_error] if layer.output_error else []
        if layer.structures:
            chosen = layer.structures.selected
            operations.append(
                Operation(
                    f"select_structures_{self.kernel_suffix}",
                    "select",
                    layer.index,
                    f"structures{layer.index}",
                    reads=reads,
                    scratch=[chosen, layer.structures.ranking],
                )
            )
            operations.append(
                Operation(f"{kernel}_gradient", "backward", layer.index, params, reads=[*reads, layer.input, chosen])
            )
            reads = [*reads, layer.input, chosen]
        if layer.input_error:
            kept = [layer.winner] if layer.winner else []
            operations.append(
                Operation(
                    f"{kernel}_error",
                    "backward",
                    layer.index,
                    params,
                    reads=[*reads, *kept],
                    writes=[layer.input_error],
                )
            )
        return operations

    def update(self, layers: Sequence[PlannedLayer]) -> list[Operation]:
        trained = [layer.index for layer in layers if layer.structures]
        operations = [
            Operation(f"update_structures_{self.kernel_suffix}", "update", index, f"structures{index}")
            for index in trained
        ]
        if self.quantized:
            operations.append(Operation("update_ranges", "update", NO_LAYER, "tracked_ranges"))
            operations += [Operation("update_bias_unit", "update", i, f"structures{i}") for i in trained]
        return operations

    def plan(self) -> Plan:
        layers = self.layers()
        probabilities = None
        logits = layers[-1].output
        if self.quantized:
            probabilities = self.tensor("probabilities", "float32", logits.elements, "scratch")
        error = layers[-1].output_error
        assert error is not None
        operations = [Operation("load", "load", NO_LAYER, "", writes=[layers[0].input])]
        operations += [self.forward(layer) for layer in layers if not isinstance(layer.spec, Flatten)]
        operations.append(
            Operation(
                f"softmax_loss_{self.kernel_suffix}",
                "loss",
                NO_LAYER,
                "softmax_loss",
                reads=[logits],
                writes=[error],
                scratch=[probabilities] if probabilities else [],
            )
        )
        for layer in reversed(layers[self.first_trained :]):
            if not isinstance(layer.spec, Flatten):
                operations += self.backward(layer)
        operations += self.update(layers)
        for index, operation in enumerate(operations):
            for tensor in (*operation.reads, *operation.writes, *operation.scratch):
                tensor.used_at(index)
        owners = [t for t in self.tensors if t.inside is None]
        initial = [t for t in owners if t.place == "state" and t.category in ("weights", "quantization")]
        initial += [t for t in owners if t.place == "state" and t.element_type == "selection"]
        state = initial + [t for t in owners if t.place == "state" and t not in initial]
        offsets: dict[Tensor, int] = {}
        at = 0
        initial_bytes = 0
        for tensor in state:
            offsets[tensor] = at
            at += tensor.padded_bytes
            if tensor is initial[-1]:
                initial_bytes = at
        placement = place([t for t in owners if t.place == "step"])
        offsets |= {tensor: at + offset for tensor, offset in placement.offsets.items()}
        for tensor in self.tensors:
            if tensor.inside is not None:
                offsets[tensor] = offsets[tensor.storage]
        return Plan(
            network=self.network,
            dtype=self.dtype,
            trained_layers=self.trained_layers,
            input=layers[0].input,
            logits=logits,
            probabilities=probabilities,
            layers=layers,
            operations=operations,
            tensors=self.tensors,
            tracked=self.tracked,
            placement=placement,
            initial_bytes=initial_bytes,
            state_bytes=at,
            offsets=offsets,
        )


def _check_sums(network: Network) -> None:
    """Raise InputError when an int32 accumulator of a uint8 layer could overflow."""
    shapes = network.shapes()
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Conv2d):
            forward = layer.kernel**2 * shapes[index][2]
            backward = max(layer.kernel**2 * layer.filters, shapes[index + 1][0] * shapes[index + 1][1])
        elif isinstance(layer, Dense):
            forward, backward = shapes[index][0], layer.units
        else:
            continue
        limit = (_LARGEST_SUM - _LARGEST_BIAS) // _LARGEST_PRODUCT
        if max(forward, backward) > limit:
            raise InputError(
                f"layers[{index}]: {layer.type} sums {max(forward, backward)} products, which can overflow an int32 "
                f"accumulator; expected at most {limit} products, or dtype float32"
            )


def make_plan(
    network: Network,
    dtype: Dtype,
    trainable_layers: int | Literal["all"] = "all",
    *,
    tracked_activations: bool = True,
    tracked_errors: bool = True,
) -> Plan:
    """Return the plan that trains the last `trainable_layers` layers with weights of `network`.

    Raises InputError when shapes do not fit, when there is nothing to train, when the last layer has an activation, or
    when an accumulator could overflow.
    """
    network.shapes()
    count = sum(layer.trainable for layer in network.layers)
    if count == 0:
        raise InputError("the network has no layer with weights; expected at least one conv2d or dense layer")
    wanted = count if trainable_layers == "all" else trainable_layers
    if not 1 <= wanted <= count:
        raise InputError(f"trainable_layers is {wanted}, but the network has {count}; expected 1 to {count}, or 'all'")
    last = network.layers[-1]
    if not isinstance(last, Dense | Conv2d | Flatten) or getattr(last, "activation", "none") != "none":
        raise InputError(
            f"layers[{len(network.layers) - 1}]: the last layer gives the logits; expected a dense layer without "
            "activation"
        )
    if dtype == "uint8":
        _check_sums(network)
    return _Planner(network, dtype, wanted, tracked_activations, tracked_errors).plan()
