"""From a network to a training plan: which operations run in a step, in which order, on which tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from harness.errors import InputError
from harness.model import Network
from harness.plan.arena import place
from harness.plan.graph import Dtype, ElementDtype, Graph, Node, Value, lower
from harness.plan.operation import NO_LAYER, Operation
from harness.plan.plan import Burst, ErrorMeeting, Plan, PlannedNode, Structures
from harness.plan.scratch import burst_steps, error_scratch_bytes, forward_scratch_bytes, gradient_scratch_bytes
from harness.plan.tensor import Category, ElementType, GradientBits, Place, Tensor

_LARGEST_SUM = (1 << 31) - 1
_LARGEST_BIAS = 1 << 30
_LARGEST_PRODUCT = 255 * 255
_SWISH_TABLE_ENTRIES = 256
_ACCUMULATORS: dict[GradientBits, ElementType] = {8: "int8", 16: "int16", 32: "int32"}


class _Planner:
    """Builds one plan; tensors are created on the way and get their lifetimes from the operations."""

    def __init__(
        self,
        network: Network,
        dtype: Dtype,
        trained_layers: int,
        tracked_activations: bool,
        tracked_errors: bool,
        velocities: bool,
        gradient_bits: GradientBits,
    ) -> None:
        self.velocities = velocities
        self.gradient_bits: GradientBits = gradient_bits
        self.planned_structures = 0
        self.network = network
        self.dtype: Dtype = dtype
        self.trained_layers = trained_layers
        self.tracked_activations = tracked_activations
        self.tracked_errors = tracked_errors
        self.first_trained = [i for i, layer in enumerate(network.layers) if layer.trainable][-trained_layers]
        self.graph = lower(network, dtype, self.first_trained)
        self.tensors: list[Tensor] = []
        self.tracked: list[Tensor] = []
        self.values: dict[Value, Tensor] = {}
        self.meetings: list[ErrorMeeting] = []
        self.bearers: dict[Tensor, Structures] = {}
        """Of errors that only some structures of a layer bear, those of a depthwise convolution: these structures."""

        self.consumers: defaultdict[Value, list[Node]] = defaultdict(list)
        for node in self.graph.nodes:
            for value in node.inputs:
                self.consumers[value].append(node)
        self.needs_error = self._values_that_need_error()

    def _trained(self, node: Node) -> bool:
        return node.has_weights and node.layer >= self.first_trained

    def _values_that_need_error(self) -> set[Value]:
        """Return the values that depend on a trained layer."""
        needing: set[Value] = set()
        for node in self.graph.nodes:
            if self._trained(node) or any(value in needing for value in node.inputs):
                needing.add(node.output)
        return needing

    # Tensors --------------------------------------------------------------------------------------------------------

    def _tensor(
        self, name: str, element_type: ElementType, elements: int, category: Category, place: Place = "step"
    ) -> Tensor:
        tensor = Tensor(name, element_type, elements, category, place)
        self.tensors.append(tensor)
        return tensor

    def _quant(self, name: str, place: Place, tracked: bool = False) -> Tensor:
        quant = self._tensor(f"{name}_quant", "quant", 1, "quantization", place)
        if tracked:
            self.tracked.append(quant)
        return quant

    def _followed(self, name: str, tracked: bool) -> Tensor:
        """Return the quantization of a tensor that is tracked, in the state, or fixed, in flash."""
        return self._quant(name, "state" if tracked else "flash", tracked)

    def _activation(self, value: Value, quant: Tensor | None) -> Tensor:
        tensor = self._tensor(value.name, value.dtype, value.elements, "activations")
        tensor.quant = quant
        self.values[value] = tensor
        return tensor

    def _error(self, name: str, value: Value, category: Category = "errors") -> Tensor:
        return self._tensor(name, value.dtype, value.elements, category)

    def _own_error(self, value: Value, name: str = "") -> Tensor:
        """Return a new error of `value`, with a quantization of its own when it is uint8."""
        tensor = self._error(name or f"error_of_{value.name}", value)
        if value.dtype == "uint8":
            tensor.quant = self._followed(tensor.name, self.tracked_errors)
        return tensor

    # Forward --------------------------------------------------------------------------------------------------------

    def _plan_forward(self, node: Node) -> PlannedNode:
        inputs = tuple(self.values[value] for value in node.inputs)
        quant = None
        if node.output.dtype == "uint8":
            if node.kind in ("max_pool2d", "avg_pool2d"):
                quant = inputs[0].quant
            else:
                quant = self._followed(node.output.name, self.tracked_activations and node.output in self.needs_error)
        planned = PlannedNode(node, inputs, self._activation(node.output, quant))
        if node.kind == "add":
            self._add_in_place(planned)
        if node.kind == "max_pool2d" and node.inputs[0] in self.needs_error:
            planned.winner = self._tensor(f"winner{node.layer}", "uint8", node.output.elements, "activations")
        if node.kind == "hard_swish" and node.dtype == "uint8":
            planned.table = self._tensor(f"table{node.layer}", "float32", _SWISH_TABLE_ENTRIES, "scratch")
        if node.has_weights:
            self._plan_weights(planned)
        planned.forward_scratch = self._scratch(f"forward_scratch{node.layer}", forward_scratch_bytes(node))
        return planned

    def _scratch(self, name: str, size_bytes: int) -> Tensor | None:
        return self._tensor(name, "uint8", size_bytes, "scratch") if size_bytes else None

    def _add_in_place(self, planned: PlannedNode) -> None:
        """Let a sum lie where its left side does, when nobody reads that again: also not to mask its error."""
        left = planned.node.inputs[0]
        if len(self.consumers[left]) == 1 and left.activation == "none" and planned.inputs[0].inside is None:
            planned.output.inside = planned.inputs[0]

    def _plan_weights(self, planned: PlannedNode) -> None:
        node = planned.node
        place: Place = "state" if self._trained(node) else "flash"
        planned.weights = self._tensor(
            f"weights{node.layer}", node.dtype, node.structures * node.elements, "weights", place
        )
        if node.dtype == "uint8":
            planned.weights.quant = self._quant(f"weights{node.layer}", place)
        bias_type: ElementType = "int32" if node.dtype == "uint8" else "float32"
        planned.bias = self._tensor(f"bias{node.layer}", bias_type, node.structures, "weights", place)

    def _forward_operation(self, planned: PlannedNode) -> Operation:
        node = planned.node
        kernel = "dequantize_forward" if node.kind == "dequantize" else f"{node.kind}_{_suffix(node.dtype)}_forward"
        return Operation(
            kernel,
            "forward",
            node.layer,
            node.name,
            result_member="output",
            reads=[*planned.inputs],
            writes=[planned.output, *_present(planned.winner)],
            scratch=[*_present(planned.table), *_present(planned.forward_scratch)],
        )

    # Backward -------------------------------------------------------------------------------------------------------

    def _plan_backward(self, nodes: list[PlannedNode], logits_error: Tensor) -> list[Operation]:
        """Return the operations from the last layer to the first trained one.

        An error lies in place of the activation that it belongs to wherever the operation that computes it reads that
        activation for the last time, element by element.
        """
        operations: list[Operation] = []
        pending: defaultdict[Value, list[Tensor]] = defaultdict(list)
        pending[self.graph.logits].append(logits_error)
        for planned in reversed(nodes):
            node = planned.node
            if node.output not in self.needs_error:
                continue
            planned.output_error = self._met(node.output, pending.pop(node.output), pending, operations)
            if self._trained(node):
                operations += self._plan_structures(planned)
            for value in node.inputs:
                if value in self.needs_error:
                    pending[value].append(self._propagate(planned, value, operations))
        return operations

    def _met(
        self,
        value: Value,
        errors: list[Tensor],
        pending: Mapping[Value, Sequence[Tensor]],
        operations: list[Operation],
    ) -> Tensor:
        """Return the whole error of `value`: the sum of what its consumers propagated.

        An addition propagates one tensor to both of its sides, so a sum may take the place of what it adds only when
        that is neither added again nor `pending` for another value.
        """
        elsewhere = [error for errors_of_other in pending.values() for error in errors_of_other]
        total = errors[0]
        for number, other in enumerate(errors[1:]):
            result = self._own_error(value, f"sum{number}_of_{value.name}")
            needed = {error.storage for error in (*errors[number + 2 :], *elsewhere)}
            result.inside = next((side for side in (other, total) if side.storage not in needed), None)
            self._meet(value, total, other, result, operations)
            total = result
        return total

    def _meet(
        self, value: Value, left: Tensor, right: Tensor | None, result: Tensor, operations: list[Operation]
    ) -> None:
        producer = next(node for node in self.graph.nodes if node.output is value)
        name = f"{'error_sum' if right else 'error_mask'}{len(self.meetings)}"
        held = self.values[value]
        self.meetings.append(ErrorMeeting(name, value.dtype, left, right, result, held, value.activation))
        kernel = f"{'error_sum' if right else 'error_mask'}_{_suffix(value.dtype)}"
        reads = [left, right] if right else [left, held]
        member = "sum" if right else "input_error"
        operations.append(
            Operation(kernel, "backward", producer.layer, name, result_member=member, reads=reads, writes=[result])
        )

    def _propagate(self, planned: PlannedNode, value: Value, operations: list[Operation]) -> Tensor:
        """Return the error of the input `value` of a node, as far as it comes through that node."""
        node, output_error = planned.node, planned.output_error
        assert output_error is not None
        held = self.values[value]
        if node.kind == "add":
            if value.activation == "none":
                return output_error
            masked = self._error(f"error_of_{value.name}_through{node.layer}", value)
            masked.quant = output_error.quant
            self._meet(value, output_error, None, masked, operations)
            return masked
        error = self._input_error(planned, value, held, output_error)
        planned.input_error = error
        reads = [output_error, *_present(planned.winner)]
        if error.inside is not None:
            reads.append(held)
        if planned.structures:
            reads.append(planned.structures.selected)
        if planned.structures and node.kind == "depthwise_conv2d" and node.dtype == "uint8":
            self.bearers[error] = planned.structures
        planned.error_scratch = self._scratch(f"error_scratch{node.layer}", error_scratch_bytes(node))
        kernel = "dequantize_error" if node.kind == "dequantize" else f"{node.kind}_{_suffix(node.dtype)}_error"
        operations.append(
            Operation(
                kernel,
                "backward",
                node.layer,
                node.name,
                result_member="input_error",
                reads=reads,
                writes=[error],
                scratch=[*_present(planned.table), *_present(planned.error_scratch)],
            )
        )
        return error

    def _input_error(self, planned: PlannedNode, value: Value, held: Tensor, output_error: Tensor) -> Tensor:
        node = planned.node
        name = f"error_of_{value.name}"
        if node.kind == "max_pool2d":
            error = self._error(name, value)
            error.quant = output_error.quant
        elif node.kind == "avg_pool2d":
            error = self._error(name, value)
            if value.dtype == "uint8":
                error.quant = self._quant(name, "state")
            if value.activation != "none":
                error.inside = held
        else:
            error = self._own_error(value, name)
            if node.kind != "dequantize":
                error.inside = held
        return error

    def _plan_structures(self, planned: PlannedNode) -> list[Operation]:
        node, error = planned.node, planned.output_error
        assert planned.weights is not None
        assert planned.bias is not None
        assert error is not None
        count, layer, bearers = node.structures, node.layer, self.bearers.get(error)
        quantized = node.dtype == "uint8"
        bias_type: ElementType = "int32" if quantized else "float32"
        gradient_type: ElementType = _ACCUMULATORS[self.gradient_bits] if quantized else "float32"
        suffix = _suffix(node.dtype)
        structures = planned.structures = Structures(
            layer=layer,
            count=count,
            elements=node.elements,
            positions=error.elements // count,
            weights=planned.weights,
            bias=planned.bias,
            input_quant=planned.inputs[0].quant,
            output_error=error,
            bearers=bearers.layer if bearers else None,
            gradient=self._tensor(f"gradient{layer}", gradient_type, count * node.elements, "gradients", "state"),
            exponents=self._exponents(layer, count) if quantized and self.gradient_bits != 32 else None,
            bias_gradient=self._tensor(f"bias_gradient{layer}", bias_type, count, "gradients", "state"),
            velocity=self._velocity(f"velocity{layer}", count * node.elements),
            bias_velocity=self._velocity(f"bias_velocity{layer}", count),
            layers_behind=self.planned_structures,
            touched=self._tensor(f"touched{layer}", "uint8", count, "selection", "state"),
            selected=self._tensor(f"selected{layer}", "uint16", count, "selection"),
            ranking=self._tensor(f"ranking{layer}", "uint32", 2 * count, "scratch"),
            selection=self._tensor(f"selection{layer}", "selection", 1, "selection", "state"),
            directions=self._tensor(f"directions{layer}", "direction", count, "scratch") if quantized else None,
        )
        self.planned_structures += 1
        select = Operation(
            f"select_structures_{suffix}",
            "select",
            layer,
            f"structures{layer}",
            reads=[error, *([bearers.selected] if bearers else [])],
            scratch=[structures.selected, structures.ranking],
        )
        planned.gradient_scratch = self._scratch(f"gradient_scratch{layer}", gradient_scratch_bytes(node))
        planned.burst = self._plan_burst(node)
        gradient = Operation(
            f"{node.kind}_{suffix}_gradient",
            "backward",
            layer,
            node.name,
            reads=[error, planned.inputs[0], structures.selected],
            scratch=_present(planned.gradient_scratch),
        )
        return [select, gradient]

    def _plan_burst(self, node: Node) -> Burst | None:
        steps = burst_steps(node)
        if not steps or self.gradient_bits != 32:
            return None
        layer, feature_pairs, row_groups = node.layer, -(-node.elements // 2), -(-node.structures // 4)
        return Burst(
            steps,
            self._tensor(f"burst_held{layer}", "uint32", 1, "gradients", "state"),
            self._tensor(f"burst_inputs{layer}", "uint8", 2 * feature_pairs * steps, "gradients", "state"),
            self._tensor(f"burst_errors{layer}", "int16", 4 * row_groups * steps, "gradients", "state"),
        )

    def _exponents(self, layer: int, count: int) -> Tensor:
        return self._tensor(f"exponents{layer}", "uint8", count, "gradients", "state")

    def _velocity(self, name: str, elements: int) -> Tensor | None:
        return self._tensor(name, "float32", elements, "optimizer", "state") if self.velocities else None

    # The plan -------------------------------------------------------------------------------------------------------

    def _settle(self, nodes: list[PlannedNode]) -> list[Operation]:
        return [
            Operation("dense_u8_settle", "backward", planned.node.layer, planned.node.name, settles=True)
            for planned in nodes
            if planned.burst
        ]

    def _update(self, nodes: list[PlannedNode]) -> list[Operation]:
        trained = [planned.structures for planned in nodes if planned.structures]
        operations = [
            Operation(
                f"update_structures_{'u8' if structures.directions else 'f32'}",
                "update",
                structures.layer,
                f"structures{structures.layer}",
                scratch=_present(structures.directions),
            )
            for structures in trained
        ]
        if self.tracked:
            operations.append(Operation("update_ranges", "update", NO_LAYER, "tracked_ranges"))
        operations += [
            Operation("update_bias_unit", "update", structures.layer, f"structures{structures.layer}")
            for structures in trained
            if structures.directions
        ]
        return operations

    def plan(self) -> Plan:
        graph = self.graph
        source = graph.input
        source_quant = self._quant("input", "flash") if source.dtype == "uint8" else None
        load = Operation("load", "load", NO_LAYER, "", writes=[self._activation(source, source_quant)])
        nodes = [self._plan_forward(node) for node in graph.nodes]
        logits = self.values[graph.logits]
        quantized = graph.logits.dtype == "uint8"
        probabilities = self._tensor("probabilities", "float32", logits.elements, "scratch") if quantized else None
        logits_error = self._own_error(graph.logits)
        logits_error.inside = logits
        loss = Operation(
            f"softmax_loss_{_suffix(graph.logits.dtype)}",
            "loss",
            NO_LAYER,
            "softmax_loss",
            result_member="error",
            reads=[logits],
            writes=[logits_error],
            scratch=_present(probabilities),
        )
        backward = self._plan_backward(nodes, logits_error)
        shared = self._tensor("shared", "shared", 1, "selection", "state")
        forward = [self._forward_operation(node) for node in nodes]
        operations = [load, *forward, loss, *backward, *self._settle(nodes), *self._update(nodes)]
        for index, operation in enumerate(operations):
            for tensor in (*operation.reads, *operation.writes, *operation.scratch):
                tensor.used_at(index)
        owners = [tensor for tensor in self.tensors if tensor.inside is None]
        offsets, initial_bytes, state_bytes = _lay_out_state(owners)
        placement = place([tensor for tensor in owners if tensor.place == "step"])
        offsets |= {tensor: state_bytes + offset for tensor, offset in placement.offsets.items()}
        offsets |= {tensor: offsets[tensor.storage] for tensor in self.tensors if tensor.inside is not None}
        return Plan(
            network=self.network,
            dtype=self.dtype,
            trained_layers=self.trained_layers,
            tracked_activations=self.tracked_activations,
            tracked_errors=self.tracked_errors,
            velocities=self.velocities,
            gradient_bits=self.gradient_bits,
            graph=graph,
            input=self.values[source],
            logits=logits,
            logits_error=logits_error,
            probabilities=probabilities,
            shared=shared,
            nodes=nodes,
            meetings=self.meetings,
            operations=operations,
            tensors=self.tensors,
            tracked=self.tracked,
            placement=placement,
            initial_bytes=initial_bytes,
            state_bytes=state_bytes,
            offsets=offsets,
        )


def _suffix(dtype: ElementDtype) -> str:
    return "u8" if dtype == "uint8" else "f32"


def _present(tensor: Tensor | None) -> list[Tensor]:
    return [] if tensor is None else [tensor]


def _lay_out_state(owners: list[Tensor]) -> tuple[dict[Tensor, int], int, int]:
    """Return offsets of the state, the size of its part with initial values, and its whole size."""
    state = [tensor for tensor in owners if tensor.place == "state"]
    initial = [tensor for tensor in state if tensor.category in ("weights", "quantization")]
    initial += [tensor for tensor in state if tensor.element_type == "selection"]
    offsets: dict[Tensor, int] = {}
    at = initial_bytes = 0
    for tensor in [*initial, *(tensor for tensor in state if tensor not in initial)]:
        offsets[tensor] = at
        at += tensor.padded_bytes
        if tensor in initial:
            initial_bytes = at
    return offsets, initial_bytes, at


def _check_sums(graph: Graph) -> None:
    """Raise InputError when an int32 accumulator of a uint8 layer could overflow."""
    limit = (_LARGEST_SUM - _LARGEST_BIAS) // _LARGEST_PRODUCT
    for node in graph.nodes:
        if not node.has_weights or node.dtype != "uint8":
            continue
        positions = node.output.elements // node.structures
        products = max(node.elements, positions)
        if node.kind != "depthwise_conv2d":
            window = (node.window or (1, 1))[0] * (node.window or (1, 1))[1]
            products = max(products, window * node.structures)
        if products > limit:
            raise InputError(
                f"layers[{node.layer}]: {node.kind} sums {products} products, which can overflow an int32 "
                f"accumulator; expected at most {limit} products, or dtype float32"
            )


def make_plan(
    network: Network,
    dtype: Dtype,
    trainable_layers: int | Literal["all"] = "all",
    *,
    tracked_activations: bool = True,
    tracked_errors: bool = True,
    velocities: bool = False,
    gradient_bits: GradientBits = 32,
) -> Plan:
    """Return the plan that trains the last `trainable_layers` layers with weights of `network`.

    `velocities` reserves the state of optimizers with momentum; `gradient_bits` is the size of an accumulator of the
    gradient of uint8 weights.

    Raises InputError when shapes do not fit, when there is nothing to train, when the logits come out of an activation,
    or when an accumulator could overflow.
    """
    network.shapes()
    count = sum(layer.trainable for layer in network.layers)
    if count == 0:
        raise InputError("the network has no layer with weights; expected at least one convolution or dense layer")
    wanted = count if trainable_layers == "all" else trainable_layers
    if not 1 <= wanted <= count:
        raise InputError(f"trainable_layers is {wanted}, but the network has {count}; expected 1 to {count}, or 'all'")
    planner = _Planner(network, dtype, wanted, tracked_activations, tracked_errors, velocities, gradient_bits)
    activation = planner.graph.logits.activation
    if activation != "none":
        raise InputError(
            f"layers[{len(network.layers) - 1}]: what it gives comes out of {activation}; expected a last layer "
            "without activation, because it gives the logits"
        )
    _check_sums(planner.graph)
    return planner.plan()
