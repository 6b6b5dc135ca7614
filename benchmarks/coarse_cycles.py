"""Cycles an instruction of each class of opcodes takes in stored runs, by the models that know every address.

    harness run scenarios/quickstart.yaml -o out/quickstart
    python benchmarks/coarse_cycles.py out/quickstart [more folders] > harness/cost/coarse.yaml

The value is the mean over the runs of a board, the range goes from the least to the most in any run,
widened by a fifth. The error is the largest that a run has whose own counts are left out of the mean.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from harness.build import Image
from harness.cost import BoardMemory, price
from harness.engine.renode.opcodes import CLASSES, OTHER, class_of
from harness.platform import load_platform
from harness.trace import STEP_PHASES, Trace

NAMES = (*CLASSES, OTHER)
WIDER = 1.2
LEAST_ERROR = 0.08
"""Runs of five other networks on nrf52840 were off by up to 7 % (2026-11-24, scenarios/accuracy)."""


class Spent:
    """Instructions and cycles (least, estimate, most) of each class in one run."""

    def __init__(self, trace, image, platform):
        cycles = price(trace, image, platform, BoardMemory())
        self.instructions = np.zeros(len(NAMES))
        self.cycles = np.zeros((3, len(NAMES)))
        within = [i for i, context in enumerate(trace.contexts) if context.phase in STEP_PHASES]
        for row, address in enumerate(trace.addresses.tolist()):
            place = NAMES.index(class_of(int.from_bytes(image.read(address, 2), "little")))
            skipped = trace.skipped[row, within].sum()
            executed = trace.executions[row, within].sum() - skipped
            self.instructions[place] += executed
            self.instructions[-1] += skipped
            for bound, values in enumerate((cycles.low, cycles.by_address, cycles.high)):
                spent = values[row, within].sum()
                self.cycles[bound, place] += spent * executed / max(executed + skipped, 1)
                self.cycles[bound, -1] += spent * skipped / max(executed + skipped, 1)


def _mean(runs, bound):
    counted = sum(run.instructions for run in runs)
    return sum(run.cycles[bound] for run in runs) / np.maximum(counted, 1)


def main() -> int:
    runs = defaultdict(list)
    for folder in map(Path, sys.argv[1:]):
        for document in json.loads((folder / "results.json").read_text())["documents"]:
            if document["status"] != "ok":
                continue
            name = document["settings"]["platform"]
            evidence = document["evidence"]
            image = Image(folder / evidence["firmware"]["name"])
            trace = Trace.load(folder / evidence["trace"]["name"])
            runs[name].append(Spent(trace, image, load_platform(name)))
    print("# Cycles an instruction of each class of opcodes takes, waits of the board's memories included:")
    total = sum(len(found) for found in runs.values())
    print(f"# [least, mean, most]. Made by benchmarks/coarse_cycles.py from {total} stored runs.")
    for name, found in sorted(runs.items()):
        value = _mean(found, 1)
        deviations = []
        for run in found:
            others = _mean([other for other in found if other is not run], 1)
            deviations.append(abs((run.instructions * others).sum() / run.cycles[1].sum() - 1))
        print(f"{name}:\n  model: coarse-{name}-1\n  error_share: {max(LEAST_ERROR, *deviations):.2f}\n  cycles:")
        for place, label in enumerate(NAMES):
            used = [run for run in found if run.instructions[place]]
            if not used:
                continue
            low = min(run.cycles[0, place] / run.instructions[place] for run in used) / WIDER
            high = max(run.cycles[2, place] / run.instructions[place] for run in used) * WIDER
            print(f"    {label}: [{low:.3g}, {value[place]:.3g}, {high:.3g}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
