"""Comparisons as tables: for the terminal, and as Markdown for a page of documentation."""

from __future__ import annotations

from harness.platform import Core
from harness.validation.comparison import Comparison, Outcome
from harness.validation.schema import Use

_MEANS: tuple[Use, ...] = ("tuning", "held-out")
_HEAD = ("program", "use", "instructions", "published", "model (range)", "error", "compiler: published / ELF")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _cells(one: Comparison) -> tuple[str, ...]:
    program = one.program
    compilers = f"{program.compiler} / {program.built_with}"
    if one.problem:
        why = "not run" if one.missing else "failed"
        return program.name, program.use, "", _number(program.published_cycles), why, "", compilers
    name = program.name if one.same_build is not False else f"{program.name} (another build)"
    estimate = _number(one.cycles)
    if one.low != one.high:
        estimate += f" ({_number(one.low)}-{_number(one.high)})"
    return (
        name,
        program.use,
        _number(one.instructions),
        _number(program.published_cycles),
        estimate,
        f"{one.error:+.1%}",
        compilers,
    )


def _models(outcome: Outcome, core: Core) -> str:
    models = dict.fromkeys(one.model for one in outcome.of_core(core) if one.model)
    return "; ".join(models) or "nothing ran"


def _means(outcome: Outcome, core: Core) -> list[str]:
    lines = []
    for use in _MEANS:
        error, count = outcome.mean_absolute_error(core, use)
        if not count:
            continue
        line = f"mean absolute error, {use}: {error:.1%} over {count} program{'' if count == 1 else 's'}"
        same, alike = outcome.mean_absolute_error(core, use, same_code=True)
        if 0 < alike < count:
            line += f"; {same:.1%} over the {alike} with the same machine code"
        lines.append(line)
    return lines


def _problems(outcome: Outcome) -> list[str]:
    return [f"{one.program.name}: {one.problem}" for one in outcome.comparisons if one.problem]


def as_text(outcome: Outcome) -> str:
    """Return one table a core for the terminal, with its mean errors and what did not run."""
    lines: list[str] = []
    for core in outcome.cores:
        rows = [_HEAD, *(_cells(one) for one in outcome.of_core(core))]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
        lines.append(f"{core}: cycles by {_models(outcome, core)}")
        for row in rows:
            texts = [
                cell.rjust(width) if 2 <= column <= 5 else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append(("  " + "  ".join(texts)).rstrip())
        lines += [f"  {mean}" for mean in _means(outcome, core)]
        lines.append("")
    lines += _problems(outcome)
    return "\n".join(lines).rstrip() + "\n"


def as_markdown(outcome: Outcome) -> str:
    """Return one section a core: its table, then its mean errors and what did not run."""
    lines: list[str] = []
    for core in outcome.cores:
        lines += [f"### {core}", "", f"Cycles by {_models(outcome, core)}.", ""]
        lines += [_markdown_row(_HEAD), "|---|---|--:|--:|--:|--:|---|"]
        lines += [_markdown_row(_cells(one)) for one in outcome.of_core(core)]
        lines += ["", *(f"- {mean}" for mean in _means(outcome, core)), ""]
    problems = _problems(outcome)
    if problems:
        lines += ["### Not run", "", *(f"- {problem}" for problem in problems), ""]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
