"""The C source of a plan: `plan.c`, the one generated file of the firmware, and `memory.ld`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.assets import content_hash
from harness.plan import Burst, Deployment, ErrorMeeting, Node, Operation, Plan, PlannedNode, Structures, Tensor
from harness.plan.tensor import ELEMENT_BYTES
from harness.platform import Platform

_BYTES_A_LINE = 24
_HASH_PLACE = "@PLAN_HASH@"


def _byte_rows(data: bytes) -> str:
    rows = (data[at : at + _BYTES_A_LINE] for at in range(0, len(data), _BYTES_A_LINE))
    return ",\n    ".join(", ".join(str(byte) for byte in row) for row in rows)


Fields = dict[str, str]
"""Members of a C struct with their initializers."""


def _initializer(fields: Fields) -> str:
    return "{" + ", ".join(f".{name} = {value}" for name, value in fields.items()) + "}"


def _definition(struct: str, name: str, fields: Fields) -> str:
    rows = [f"    .{member} = {value}," for member, value in fields.items()]
    return "\n".join([f"static const struct {struct} {name} = {{", *rows, "};"])


def _activation(activation: str) -> str:
    return f"ACTIVATION_{activation.upper()}"


def _geometry(node: Node, structures: str) -> Fields:
    """Return the members of a convolution's shape; depthwise convolutions have no `structures` of their own."""
    assert node.window is not None
    assert node.stride is not None
    height, width, channels = node.input_shape
    numbers = {
        "input_height": height,
        "input_width": width,
        "input_channels" if structures else "channels": channels,
        "output_height": node.output_shape[0],
        "output_width": node.output_shape[1],
        **({structures: node.structures} if structures else {}),
        "kernel_height": node.window[0],
        "kernel_width": node.window[1],
        "stride_y": node.stride[0],
        "stride_x": node.stride[1],
        "padding_y": node.padding[0],
        "padding_x": node.padding[1],
    }
    return {name: str(number) for name, number in numbers.items()}


def _pool_geometry(node: Node) -> Fields:
    assert node.window is not None
    assert node.stride is not None
    height, width, channels = node.input_shape
    numbers = {
        "input_height": height,
        "input_width": width,
        "channels": channels,
        "output_height": node.output_shape[0],
        "output_width": node.output_shape[1],
        "size_y": node.window[0],
        "size_x": node.window[1],
        "stride_y": node.stride[0],
        "stride_x": node.stride[1],
    }
    return {name: str(number) for name, number in numbers.items()}


class _PlanSource:
    def __init__(self, plan: Plan, deployment: Deployment) -> None:
        self.plan = plan
        self.deployment = deployment

    def address(self, tensor: Tensor | None, cast: str = "void") -> str:
        if tensor is None:
            return "NULL"
        if tensor.place == "flash":
            return f"({cast} *){tensor.name}"
        return f"({cast} *)(arena + {self.plan.offsets[tensor]})"

    def tensor(self, tensor: Tensor | None) -> str:
        if tensor is None:
            return "{NULL, NULL, 0}"
        return f"{{{self.address(tensor)}, {self.address(tensor.quant, 'struct quant')}, {tensor.elements}}}"

    def constants(self) -> Iterable[str]:
        for tensor in self.plan.tensors:
            if tensor.place == "flash":
                data = self.deployment.contents.get(tensor, bytes(tensor.size_bytes))
                yield (
                    f"static const uint8_t {tensor.name}[{len(data)}] __attribute__((aligned(4))) = {{\n"
                    f"    {_byte_rows(data)}}};"
                )
        state = self.deployment.initial_state
        yield (
            f"static const uint8_t initial_state[{len(state)}] __attribute__((aligned(4))) = {{\n"
            f"    {_byte_rows(state)}}};"
        )

    def scratch(self, tensor: Tensor | None) -> str:
        return f"{{{self.address(tensor)}, {tensor.size_bytes}}}" if tensor else "{NULL, 0}"

    def burst(self, burst: Burst | None) -> str:
        if burst is None:
            return "{0, NULL, NULL, NULL}"
        held, inputs = self.address(burst.held, "uint32_t"), self.address(burst.inputs, "uint8_t")
        return f"{{{burst.steps}, {held}, {inputs}, {self.address(burst.errors, 'int16_t')}}}"

    def structures(self, structures: Structures) -> str:
        return "\n".join(
            [
                f"static const struct structures structures{structures.layer} = {{",
                f"    .count = {structures.count},",
                f"    .elements = {structures.elements},",
                f"    .positions = {structures.positions},",
                f"    .weights = {self.tensor(structures.weights)},",
                f"    .bias = {self.tensor(structures.bias)},",
                f"    .input = {self.address(structures.input_quant, 'struct quant')},",
                f"    .output_error = {self.tensor(structures.output_error)},",
                f"    .bearers = {'NULL' if structures.bearers is None else f'&structures{structures.bearers}'},",
                f"    .gradient = {self.address(structures.gradient)},",
                f"    .gradient_bytes = {ELEMENT_BYTES[structures.gradient.element_type]},",
                f"    .exponents = {self.address(structures.exponents, 'uint8_t')},",
                f"    .bias_gradient = {self.address(structures.bias_gradient)},",
                f"    .velocity = {self.address(structures.velocity, 'float')},",
                f"    .bias_velocity = {self.address(structures.bias_velocity, 'float')},",
                f"    .layers_behind = {structures.layers_behind},",
                f"    .touched = {self.address(structures.touched, 'uint8_t')},",
                f"    .selected = {self.address(structures.selected, 'uint16_t')},",
                f"    .ranking = {self.address(structures.ranking, 'uint32_t')},",
                f"    .selection = {self.address(structures.selection, 'struct selection')},",
                f"    .directions = {self.address(structures.directions, 'struct direction')},",
                "};",
            ]
        )

    def weighted(self, planned: PlannedNode) -> Fields:
        return {
            "input": self.tensor(planned.inputs[0]),
            "output": self.tensor(planned.output),
            "weights": self.tensor(planned.weights),
            "bias": self.tensor(planned.bias),
            "input_error": self.tensor(planned.input_error),
            "activation": _activation(planned.node.activation),
            "input_activation": _activation(planned.node.inputs[0].activation),
            "structures": f"&structures{planned.node.layer}" if planned.structures else "NULL",
        }

    def propagating(self, planned: PlannedNode) -> Fields:
        return {
            "input": self.tensor(planned.inputs[0]),
            "output": self.tensor(planned.output),
            "output_error": self.tensor(planned.output_error if planned.input_error else None),
            "input_error": self.tensor(planned.input_error),
        }

    def node(self, planned: PlannedNode) -> str:
        node = planned.node
        match node.kind:
            case "conv2d":
                fields = {
                    "shape": _initializer(_geometry(node, "filters")),
                    **self.weighted(planned),
                    "forward_scratch": self.scratch(planned.forward_scratch),
                    "gradient_scratch": self.scratch(planned.gradient_scratch),
                    "error_scratch": self.scratch(planned.error_scratch),
                }
            case "depthwise_conv2d":
                fields = {
                    **_geometry(node, ""),
                    **self.weighted(planned),
                    "forward_scratch": self.scratch(planned.forward_scratch),
                    "gradient_scratch": self.scratch(planned.gradient_scratch),
                    "error_scratch": self.scratch(planned.error_scratch),
                }
            case "dense":
                fields = {
                    "features": str(node.elements),
                    "units": str(node.structures),
                    **self.weighted(planned),
                    "forward_scratch": self.scratch(planned.forward_scratch),
                    "error_scratch": self.scratch(planned.error_scratch),
                    "burst": self.burst(planned.burst),
                }
            case "max_pool2d":
                fields = {
                    **_pool_geometry(node),
                    **self.propagating(planned),
                    "winner": self.address(planned.winner, "uint8_t"),
                }
            case "avg_pool2d":
                fields = {
                    **_pool_geometry(node),
                    **self.propagating(planned),
                    "input_activation": _activation(node.inputs[0].activation),
                }
            case "add":
                fields = {
                    "left": self.tensor(planned.inputs[0]),
                    "right": self.tensor(planned.inputs[1]),
                    "output": self.tensor(planned.output),
                }
            case "hard_swish":
                fields = {**self.propagating(planned), "table": self.address(planned.table)}
            case "dequantize":
                fields = self.propagating(planned)
        return _definition(node.kind, node.name, fields)

    def meeting(self, meeting: ErrorMeeting) -> str:
        if meeting.right is None:
            fields = {
                "value": self.tensor(meeting.value),
                "output_error": self.tensor(meeting.left),
                "input_error": self.tensor(meeting.result),
                "activation": _activation(meeting.activation),
            }
            return _definition("error_mask", meeting.name, fields)
        fields = {
            "left": self.tensor(meeting.left),
            "right": self.tensor(meeting.right),
            "sum": self.tensor(meeting.result),
        }
        return _definition("error_sum", meeting.name, fields)

    def result(self, operation: Operation) -> str:
        return f"&{operation.params}.{operation.result_member}" if operation.result_member else "NULL"

    def operations(self, name: str, operations: Sequence[Operation]) -> str:
        rows = [
            f"    {{{op.kernel}, &{op.params}, {self.result(op)}, PHASE_{op.phase.upper()}, {op.layer}}},"
            for op in operations
        ]
        return "\n".join([f"static const struct operation {name}[] = {{", *rows, "};"])

    def tracked_ranges(self) -> Iterable[str]:
        if not self.plan.tracked:
            return
        rows = ", ".join(self.address(quant, "struct quant") for quant in self.plan.tracked)
        yield f"static struct quant *const tracked[] = {{{rows}}};"
        yield f"static const struct tracked_ranges tracked_ranges = {{tracked, {len(self.plan.tracked)}}};"

    def loss(self) -> str:
        plan = self.plan
        return (
            f"static const struct softmax_loss softmax_loss = {{{self.tensor(plan.logits)}, "
            f"{self.tensor(plan.logits_error)}, {self.address(plan.probabilities, 'float')}}};"
        )

    def trained(self) -> str:
        rows = ", ".join(f"&structures{structures.layer}" for structures in self.plan.trained)
        return f"static const struct structures *const trained[] = {{{rows}}};"

    def text(self) -> str:
        plan = self.plan
        groups = {
            "forward": [op for op in plan.operations if op.phase == "forward"],
            "loss": [op for op in plan.operations if op.phase == "loss"],
            "backward": [op for op in plan.operations if op.phase in ("select", "backward") and not op.settles],
            "settle": [op for op in plan.operations if op.settles],
            "update": [op for op in plan.operations if op.phase == "update"],
        }
        trained = plan.trained
        parts = [
            f"/* Generated for {plan.network.name}, {plan.dtype}, {plan.trained_layers} trained layers. */",
            "\n".join(
                f'#include "{header}"'
                for header in (
                    "kernels/add.h",
                    "kernels/avg_pool2d.h",
                    "kernels/conv2d.h",
                    "kernels/dense.h",
                    "kernels/depthwise_conv2d.h",
                    "kernels/dequantize.h",
                    "kernels/hard_swish.h",
                    "kernels/max_pool2d.h",
                    "kernels/softmax_loss.h",
                    "trainer/phase.h",
                    "trainer/plan.h",
                    "trainer/select.h",
                    "trainer/update.h",
                )
            ),
            "#include <stddef.h>",
            f'uint8_t arena[{plan.arena_bytes}] __attribute__((aligned(8), section(".arena")));',
            *self.constants(),
            *(self.structures(structures) for structures in reversed(trained)),
            *(self.node(planned) for planned in plan.nodes),
            *(self.meeting(meeting) for meeting in plan.meetings),
            *self.tracked_ranges(),
            self.loss(),
            *(self.operations(f"{name}_operations", group) for name, group in groups.items() if group),
            self.trained(),
            "\n".join(
                [
                    "const struct plan plan = {",
                    f'    .hash = "{_HASH_PLACE}",',
                    f"    .input = {self.tensor(plan.input)},",
                    *(
                        f"    .{name} = {{{f'{name}_operations' if group else 'NULL'}, {len(group)}}},"
                        for name, group in groups.items()
                    ),
                    "    .trained = trained,",
                    f"    .trained_count = {len(trained)},",
                    f"    .shared = {self.address(plan.shared, 'struct shared')},",
                    "    .initial_state = initial_state,",
                    "    .initial_bytes = sizeof initial_state,",
                    f"    .state_bytes = {plan.state_bytes},",
                    "};",
                ]
            ),
        ]
        text = "\n\n".join(parts) + "\n"
        return text.replace(_HASH_PLACE, content_hash([text.encode()]))


def plan_source(plan: Plan, deployment: Deployment) -> str:
    """Return plan.c; the same plan and deployment give the same text."""
    return _PlanSource(plan, deployment).text()


def samples_source(store: bytes) -> str:
    """Return C source that puts the packed samples of a sample store into flash, for a board without external flash."""
    return f"""/* Generated: the sample store. */
const unsigned char __samples_start[{len(store)}] __attribute__((aligned(4))) = {{
    {_byte_rows(store)}}};
"""


def memory_script(
    platform: Platform, ram_bytes: int, flash_bytes: int, stack_bytes: int, *, own_samples: bool = False
) -> str:
    """Return memory.ld: the regions of the platform, cut to the budgets.

    With `own_samples` the sample store is part of the program instead of lying in the platform's sample memory.
    """
    flash, ram, samples = platform.memory("flash"), platform.memory("ram"), platform.memory("samples")
    code = platform.vector_table
    boot_bytes = code - flash.origin
    flash_length = min(flash_bytes, flash.size_bytes - boot_bytes)
    lines = [
        "MEMORY",
        "{",
        f"    BOOT (rx) : ORIGIN = {flash.origin:#010x}, LENGTH = {boot_bytes}",
        f"    FLASH (rx) : ORIGIN = {code:#010x}, LENGTH = {flash_length}",
        f"    RAM (rwx) : ORIGIN = {ram.origin:#010x}, LENGTH = {min(ram_bytes, ram.size_bytes)}",
        "}",
        *([] if own_samples else [f"__samples_start = {samples.origin:#010x};"]),
        f"__stack_size = {stack_bytes};",
        "",
    ]
    return "\n".join(lines)
