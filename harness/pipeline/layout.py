"""The memory layout of a plan, as results store it."""

from __future__ import annotations

from harness.plan import Plan, Tensor
from harness.result import NO_LAYER
from harness.result.layout import Layout, PlannedOperation, PlannedTensor


def _layers(plan: Plan) -> dict[Tensor, int]:
    """Return the layer of every tensor that belongs to one."""
    layers: dict[Tensor, int] = {}
    for planned in plan.nodes:
        layer = planned.node.layer
        tensors = [planned.weights, planned.bias, planned.winner, planned.table, planned.output, planned.output_error]
        tensors += [planned.forward_scratch, planned.gradient_scratch, planned.error_scratch]
        if own := planned.structures:
            tensors += [own.gradient, own.bias_gradient, own.velocity, own.bias_velocity]
            tensors += [own.touched, own.selected, own.ranking, own.selection]
        for tensor in tensors:
            if tensor is not None:
                layers.setdefault(tensor.storage, layer)
                if tensor.quant is not None:
                    layers.setdefault(tensor.quant.storage, layer)
    return layers


def layout_of(plan: Plan) -> Layout:
    """Return the operations of one step and every block of memory of `plan`; tensors that share one count once."""
    layers = _layers(plan)
    last = len(plan.operations) - 1

    def name(layer: int) -> str:
        return "" if layer == NO_LAYER else plan.layer_name(layer)

    tensors = []
    for tensor in plan.tensors:
        if tensor.inside is not None:
            continue
        layer, offset = layers.get(tensor, NO_LAYER), plan.offsets.get(tensor)
        of_step = tensor.place == "step"
        tensors.append(
            PlannedTensor(
                name=tensor.name,
                category=tensor.category,
                place=tensor.place,
                layer=layer,
                layer_name=name(layer),
                offset=offset,
                size_bytes=tensor.padded_bytes,
                first=tensor.first if of_step else 0,
                last=tensor.last if of_step else last,
                initial=tensor.place == "state" and offset is not None and offset < plan.initial_bytes,
            )
        )
    return Layout(
        arena_bytes=plan.arena_bytes,
        state_bytes=plan.state_bytes,
        operations=tuple(
            PlannedOperation(phase=one.phase, layer=one.layer, layer_name=name(one.layer), kernel=one.kernel)
            for one in plan.operations
        ),
        tensors=tuple(tensors),
    )
