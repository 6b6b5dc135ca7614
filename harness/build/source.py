"""The C source of a plan: `plan.c`, the one generated file of the firmware, and `memory.ld`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.assets import content_hash
from harness.model import Conv2d, Dense, MaxPool2d
from harness.plan import Deployment, Operation, Plan, Tensor
from harness.plan.plan import PlannedLayer, Structures
from harness.platform import Platform

_BYTES_A_LINE = 24
_HASH_PLACE = "@PLAN_HASH@"


def _byte_rows(data: bytes) -> str:
    rows = (data[at : at + _BYTES_A_LINE] for at in range(0, len(data), _BYTES_A_LINE))
    return ",\n    ".join(", ".join(str(byte) for byte in row) for row in rows)


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
                f"    .gradient = {self.address(structures.gradient)},",
                f"    .bias_gradient = {self.address(structures.bias_gradient)},",
                f"    .touched = {self.address(structures.touched, 'uint8_t')},",
                f"    .selected = {self.address(structures.selected, 'uint16_t')},",
                f"    .ranking = {self.address(structures.ranking, 'uint32_t')},",
                f"    .selection = {self.address(structures.selection, 'struct selection')},",
                "};",
            ]
        )

    def weighted(self, layer: PlannedLayer) -> list[str]:
        spec = layer.spec
        assert isinstance(spec, Conv2d | Dense)
        return [
            f"    .input = {self.tensor(layer.input)},",
            f"    .output = {self.tensor(layer.output)},",
            f"    .weights = {self.tensor(layer.weights)},",
            f"    .bias = {self.tensor(layer.bias)},",
            f"    .input_error = {self.tensor(layer.input_error)},",
            f"    .relu = {'true' if spec.activation == 'relu' else 'false'},",
            f"    .input_relu = {'true' if layer.input_relu else 'false'},",
            f"    .structures = {f'&structures{layer.index}' if layer.structures else 'NULL'},",
        ]

    def layer(self, layer: PlannedLayer) -> str | None:
        spec, shape, result = layer.spec, layer.input_shape, layer.output_shape
        head = f"static const struct {spec.type} {spec.type}{layer.index} = {{"
        match spec:
            case Conv2d():
                numbers = (*shape, *result[:2], spec.filters, *spec.kernels, *spec.strides, *spec.paddings)
                body = [f"    .shape = {{{', '.join(map(str, numbers))}}},", *self.weighted(layer)]
            case Dense():
                body = [f"    .features = {shape[0]},", f"    .units = {spec.units},", *self.weighted(layer)]
            case MaxPool2d():
                body = [
                    f"    .input_height = {shape[0]},",
                    f"    .input_width = {shape[1]},",
                    f"    .channels = {shape[2]},",
                    f"    .output_height = {result[0]},",
                    f"    .output_width = {result[1]},",
                    f"    .size = {spec.size},",
                    f"    .stride = {spec.step},",
                    f"    .input = {self.tensor(layer.input)},",
                    f"    .output = {self.tensor(layer.output)},",
                    f"    .winner = {self.address(layer.winner, 'uint8_t')},",
                    f"    .output_error = {self.tensor(layer.output_error if layer.input_error else None)},",
                    f"    .input_error = {self.tensor(layer.input_error)},",
                ]
            case _:
                return None
        return "\n".join([head, *body, "};"])

    def result(self, operation: Operation) -> str:
        if operation.result is None:
            return "NULL"
        member = {"forward": "output", "loss": "error", "backward": "input_error"}[operation.phase]
        return f"&{operation.params}.{member}"

    def operations(self, name: str, operations: Sequence[Operation]) -> str:
        rows = [
            f"    {{{op.kernel}, &{op.params}, {self.result(op)}, PHASE_{op.phase.upper()}, {op.layer}}},"
            for op in operations
        ]
        return "\n".join([f"static const struct operation {name}[] = {{", *rows, "};"])

    def tracked_ranges(self) -> Iterable[str]:
        if self.plan.dtype != "uint8":
            return
        if self.plan.tracked:
            rows = ", ".join(self.address(quant, "struct quant") for quant in self.plan.tracked)
            yield f"static struct quant *const tracked[] = {{{rows}}};"
        listed = "tracked" if self.plan.tracked else "NULL"
        yield f"static const struct tracked_ranges tracked_ranges = {{{listed}, {len(self.plan.tracked)}}};"

    def loss(self) -> str:
        plan = self.plan
        return (
            f"static const struct softmax_loss softmax_loss = {{{self.tensor(plan.logits)}, "
            f"{self.tensor(plan.layers[-1].output_error)}, {self.address(plan.probabilities, 'float')}}};"
        )

    def trained(self) -> str:
        rows = ", ".join(f"&structures{structures.layer}" for structures in self.plan.trained)
        return f"static const struct structures *const trained[] = {{{rows}}};"

    def text(self) -> str:
        plan = self.plan
        groups = {
            "forward": [op for op in plan.operations if op.phase == "forward"],
            "loss": [op for op in plan.operations if op.phase == "loss"],
            "backward": [op for op in plan.operations if op.phase in ("select", "backward")],
            "update": [op for op in plan.operations if op.phase == "update"],
        }
        trained = plan.trained
        parts = [
            f"/* Generated for {plan.network.name}, {plan.dtype}, {plan.trained_layers} trained layers. */",
            "\n".join(
                f'#include "{header}"'
                for header in (
                    "kernels/conv2d.h",
                    "kernels/dense.h",
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
            *(self.structures(structures) for structures in trained),
            *(text for layer in plan.layers if (text := self.layer(layer))),
            *self.tracked_ranges(),
            self.loss(),
            *(self.operations(f"{name}_operations", group) for name, group in groups.items()),
            self.trained(),
            "\n".join(
                [
                    "const struct plan plan = {",
                    f'    .hash = "{_HASH_PLACE}",',
                    f"    .input = {self.tensor(plan.input)},",
                    *(f"    .{name} = {{{name}_operations, {len(group)}}}," for name, group in groups.items()),
                    "    .trained = trained,",
                    f"    .trained_count = {len(trained)},",
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


def memory_script(platform: Platform, ram_bytes: int, flash_bytes: int, stack_bytes: int) -> str:
    """Return memory.ld: the regions of the platform, cut to the budgets."""
    flash, ram, samples = platform.memory("flash"), platform.memory("ram"), platform.memory("samples")
    code = platform.vector_table
    flash_length = min(flash_bytes, flash.size_bytes - (code - flash.origin))
    return "\n".join(
        [
            "MEMORY",
            "{",
            f"    FLASH (rx) : ORIGIN = {code:#010x}, LENGTH = {flash_length}",
            f"    RAM (rwx) : ORIGIN = {ram.origin:#010x}, LENGTH = {min(ram_bytes, ram.size_bytes)}",
            "}",
            f"__samples_start = {samples.origin:#010x};",
            f"__stack_size = {stack_bytes};",
            "",
        ]
    )
