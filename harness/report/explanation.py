"""Where the cycles and the memory of a run go, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from harness.explanation.breakdown import By, Part, Scope, parts, total
from harness.explanation.flash import flash_parts, weights_by_layer
from harness.explanation.stack import DeepStack, Frame, deepest_by_phase
from harness.explanation.stored_run import StoredRun
from harness.report import notation
from harness.result import Memory

_WIDTH = 118
_DETAIL = 64
_SYMBOLS = 12

TITLES: dict[By, str] = {
    "phase": "phase",
    "layer": "layer",
    "function": "function",
    "inlined": "function, inlined ones by themselves",
    "line": "source line",
}


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """Return aligned rows; the columns in `left` are flush left, the others right."""
    widths = [max(len(row[place]) for row in [columns, *rows]) for place in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        cells = (
            text.ljust(width) if place in left else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return [line(columns), *(line(row) for row in rows)]


def _model_lines(run: StoredRun) -> list[str]:
    error = notation.plain(run.cycles.error, 2000).replace("+-", "±").removesuffix(".")
    text = f"≈ estimate: {run.cycles.model}, {error}; in brackets the range that the counts leave open"
    return ["exact: instructions, bytes", *textwrap.wrap(text, _WIDTH)]


def _heading(run: StoredRun) -> list[str]:
    platform, document = run.platform, run.document
    assert document.agreement is not None
    clock = f"{platform.clock_hz / 1e6:g} MHz"
    steps = f"{document.agreement.steps_emulated:,} of {document.agreement.steps_total:,} steps emulated"
    return [f"{run.label} on {platform.name} ({platform.core}, {clock}), {steps}"]


def cycle_text(run: StoredRun, scope: Scope, by: By, top: int) -> str:
    """Return a table of the `top` dearest parts of `scope`, and the rest of them in one row; 0 shows all."""
    found = parts(run, scope, by)
    whole = total(run, scope)
    shown = found[:top] if top else found
    rest = found[len(shown) :]
    rows = [_cycle_row(part, whole, scope) for part in shown]
    if rest:
        rows.append(_cycle_row(_sum(f"{len(rest):,} more", rest), whole, scope))
    rows.append(_cycle_row(whole, whole, scope))
    unit = "/step" if scope.divisor > 1 or scope.name.endswith("step") else ""
    detail = {"line": "text", "function": "of it", "layer": "of it", "phase": "of it", "inlined": ""}[by]
    columns = (TITLES[by].partition(",")[0], f"instr{unit}", f"≈ cycles{unit}", "share", detail)
    head = f"Cycles by {TITLES[by]}: {scope.name}"
    return "\n".join([head, "", *_table(columns, rows, left=(0, 4))]) + "\n"


def _sum(name: str, found: Sequence[Part]) -> Part:
    return Part(
        name,
        sum(part.instructions for part in found),
        sum(part.low_cycles for part in found),
        sum(part.cycles for part in found),
        sum(part.high_cycles for part in found),
    )


def _cycle_row(part: Part, whole: Part, scope: Scope) -> tuple[str, ...]:
    low, cycles, high = (value / scope.divisor for value in (part.low_cycles, part.cycles, part.high_cycles))
    share = part.cycles / whole.cycles if whole.cycles else 0.0
    return (
        notation.plain(part.name, 60),
        notation.count(part.instructions / scope.divisor),
        notation.ranged_prefixed(cycles, low, high),
        notation.percent(share),
        notation.plain(part.detail, _DETAIL),
    )


def memory_text(run: StoredRun) -> str:
    """Return where RAM and flash go: all exact."""
    memory = run.document.memory
    assert memory is not None
    blocks = [_ram(memory), _arena_over_time(run), _arena_map(run, memory), _stacks(run), *_flash(run, memory)]
    return "\n".join("\n".join(block) + "\n" for block in blocks)


def _ram(memory: Memory) -> list[str]:
    rows = [
        ("arena", memory.arena_bytes, f"lower bound {memory.arena_lower_bound_bytes:,}"),
        (".data", memory.data_bytes, ""),
        (".bss", memory.bss_bytes, ""),
        ("stack, reserved", memory.stack_reserved_bytes, f"deepest {memory.stack_peak_bytes:,}"),
        ("all RAM", memory.ram_bytes, f"budget {memory.ram_budget_bytes:,}"),
    ]
    text = [(name, f"{size:,}", note) for name, size, note in rows]
    return ["RAM", "", *_table(("part", "bytes", ""), text, left=(0, 2))]


def _arena_over_time(run: StoredRun) -> list[str]:
    layout = run.layout
    peak = layout.peak_operation()
    in_state = [tensor for tensor in layout.tensors if tensor.place == "state"]
    used = {tensor.category for tensor in layout.tensors if tensor.place == "step"}
    categories = [name for name in dict.fromkeys(tensor.category for tensor in layout.tensors) if name in used]
    rows = []
    for index, operation in enumerate(layout.operations):
        live = [tensor for tensor in layout.alive_at(index) if tensor.place == "step"]
        sizes = [sum(tensor.size_bytes for tensor in live if tensor.category == name) for name in categories]
        rows.append(
            (
                str(index),
                operation.phase,
                operation.layer_name or "-",
                operation.kernel,
                f"{sum(layout.live_bytes(index).values()):,}",
                *(f"{size:,}" if size else "-" for size in sizes),
                "< peak" if index == peak else "",
            )
        )
    columns = ("", "phase", "layer", "kernel", "live bytes", *categories, "")
    state = sum(tensor.size_bytes for tensor in in_state)
    return [
        f"RAM over time: live bytes of the arena at each operation of a training step; {state:,} of them are state",
        "",
        *_table(columns, rows, left=(1, 2, 3, len(columns) - 1)),
    ]


def _arena_map(run: StoredRun, memory: Memory) -> list[str]:
    layout = run.layout
    peak = layout.peak_operation()
    rows = []
    for tensor in sorted(layout.alive_at(peak), key=lambda one: one.offset or 0):
        lives = "always" if tensor.place == "state" else f"{tensor.first}-{tensor.last}"
        rows.append((f"{tensor.offset:,}", f"{tensor.size_bytes:,}", tensor.name, tensor.category, lives))
    sizes = ", ".join(f"{name} {size:,}" for name, size in memory.arena_by_category.items() if size)
    return [
        *textwrap.wrap(f"Arena at its fullest, operation {peak}: {sizes}", _WIDTH),
        "",
        *_table(("offset", "bytes", "tensor", "category", "lives"), rows, left=(2, 3, 4)),
    ]


def _stacks(run: StoredRun) -> list[str]:
    lines = ["Stack by phase, and who called whom where it was deepest; [inlined], 0 where a function jumped on", ""]
    rows = []
    for phase, stack in deepest_by_phase(run.stacks).items():
        layer = run.layer_name(stack.context.layer)
        rows.append((phase, f"{stack.size_bytes:,}", "-" if layer == "no layer" else layer, _chain(stack)))
    columns = ("phase", "bytes", "layer", "call chain (bytes of each)")
    table = _table(columns, rows, left=(0, 2, 3))
    indent = table[0].index(columns[-1])
    for line in table:
        lines += textwrap.wrap(line, _WIDTH, subsequent_indent=" " * indent, break_long_words=False) or [""]
    return lines


def _chain(stack: DeepStack) -> str:
    """Return `reset_handler 8 > main 152 > ...`; what cannot be told begins with dots."""
    frames = " > ".join(_frame(frame) for frame in stack.frames)
    return frames if stack.complete else f"... > {frames}" if frames else "not kept"


def _frame(frame: Frame) -> str:
    inlined = "".join(f" [{call.function}]" for call in frame.origin.inlined)
    return f"{frame.origin.function}{inlined} {frame.size_bytes}"


def _flash(run: StoredRun, memory: Memory) -> list[list[str]]:
    sections = [(name, f"{size:,}") for name, size in memory.flash_by_section.items()]
    sections.append(("all flash", f"{memory.flash_bytes:,}"))
    found = flash_parts(run)
    symbols = [(part.name, f"{part.size_bytes:,}", part.section, part.kind) for part in found[:_SYMBOLS]]
    more = sum(part.size_bytes for part in found[_SYMBOLS:])
    symbols.append((f"{len(found[_SYMBOLS:]):,} more", f"{more:,}", "", ""))
    layers = [(name, f"{size:,}") for name, size in weights_by_layer(run).items()]
    return [
        ["Flash by section", "", *_table(("section", "bytes"), sections, left=(0,))],
        ["Flash by function and object", "", *_table(("name", "bytes", "section", "kind"), symbols, left=(0, 2, 3))],
        ["Weights and their quantization in flash, by layer", "", *_table(("layer", "bytes"), layers, left=(0,))],
    ]


def explanation_text(run: StoredRun, scope: Scope, tables: Sequence[By], top: int, *, memory: bool) -> str:
    """Return the tables of cycles, and those of memory if wanted, with what is exact and what an estimate."""
    blocks = ["\n".join(_heading(run)) + "\n"]
    blocks += [cycle_text(run, scope, by, top) for by in tables]
    if memory:
        blocks.append(memory_text(run))
    notes = _model_lines(run)
    if run.sources is None:
        notes.append("the sources of the firmware have changed since the run: lines have no text")
    if run.model_changed:
        notes.append("the cycle model has changed since the run: the results of the run have other cycles")
    return "\n".join([*blocks, "\n".join(notes) + "\n"])


def explanation_json(run: StoredRun, scope: Scope, tables: Sequence[By], top: int) -> dict[str, Any]:
    """Return all that `explanation_text` says as one JSON object; cycles and instructions are totals of the scope."""
    memory = run.document.memory
    assert memory is not None
    layout = run.layout
    return {
        "run": run.document.run.model_dump(),
        "platform": run.platform.name,
        "scope": scope.name,
        "divisor": scope.divisor,
        "instructions": "exact",
        "bytes": "exact",
        "cycles": {"kind": "estimate", "model": run.cycles.model, "error": run.cycles.error},
        "total": _part(total(run, scope)),
        **{f"by_{by}": [_part(part) for part in parts(run, scope, by)[: top or None]] for by in tables},
        "ram": memory.model_dump(),
        "ram_over_time": [
            {**operation.model_dump(), "live_bytes": layout.live_bytes(index)}
            for index, operation in enumerate(layout.operations)
        ],
        "peak_operation": layout.peak_operation(),
        "arena_map": [tensor.model_dump() for tensor in layout.tensors if tensor.offset is not None],
        "stack": [_stack(run, stack) for stack in run.stacks],
        "flash": [
            {"section": part.section, "name": part.name, "kind": part.kind, "bytes": part.size_bytes}
            for part in flash_parts(run)
        ],
        "weights_in_flash": weights_by_layer(run),
    }


def _part(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": part.name,
        "instructions": part.instructions,
        "cycles": part.cycles,
        "cycles_low": part.low_cycles,
        "cycles_high": part.high_cycles,
    }
    return found | ({"detail": part.detail} if part.detail else {})


def _stack(run: StoredRun, stack: DeepStack) -> dict[str, Any]:
    return {
        "phase": stack.context.phase,
        "layer": run.layer_name(stack.context.layer),
        "bytes": stack.size_bytes,
        "complete": stack.complete,
        "chain": [
            {
                "function": frame.origin.function,
                "inlined": [call.function for call in frame.origin.inlined],
                "line": str(frame.origin.line) if frame.origin.line else None,
                "bytes": frame.size_bytes,
            }
            for frame in stack.frames
        ],
    }
