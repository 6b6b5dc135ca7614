"""All plots of a suite and of a run."""

from __future__ import annotations

from harness.explanation.stored_run import StoredRun
from harness.report.cycle_plot import function_cycles_plot, layer_cycles_plot
from harness.report.drawn import Plot
from harness.report.memory_plot import arena_map_plot, ram_plot, stack_plot
from harness.report.scatter import tradeoff_plot
from harness.report.stack import arena_plot, layer_plot, phase_plot
from harness.report.suite import TRADEOFFS, Suite


def suite_plots(suite: Suite) -> list[Plot]:
    """Return every plot of `suite`: none when no run came to its end, no trade-offs when there is nothing to trade."""
    if not suite.ok:
        return []
    scatters = [tradeoff_plot(suite, tradeoff) for tradeoff in TRADEOFFS] if len(suite.examples) > 1 else []
    return [*scatters, arena_plot(suite), phase_plot(suite), layer_plot(suite)]


def explanation_plots(run: StoredRun) -> list[Plot]:
    """Return every picture of where the cycles and the memory of one run go."""
    draw = (layer_cycles_plot, function_cycles_plot, ram_plot, arena_map_plot, stack_plot)
    return [plot(run) for plot in draw]
