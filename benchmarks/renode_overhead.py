"""Speed of the fidelities of the Renode engine as ratios to Renode without hooks, all in one run and alternating.

    python benchmarks/renode_overhead.py [repeats]

Seconds are those from the start of the machine to its end as Renode's own process sees them, JIT compilation by .NET
included; one run of each before the first counts for nothing. The best of the repeats counts, as other work on the
machine only ever makes a run slower.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from firmware_builds import build, job

from harness.engine import UnicornEngine, engine_named
from harness.engine.renode.engine import RenodeEngine
from harness.platform import load_platform

ROUNDS = {"rp2040": (5000, 1), "nrf52840": (6000, 8), "imxrt1062": (6000, 8)}
ENGINES = {
    "plain": RenodeEngine(counting=False),
    "count": RenodeEngine("count"),
    "profile": RenodeEngine("profile"),
    "unicorn": UnicornEngine(),
}
TARGET = 0.80


def main() -> int:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"Renode {engine_named('renode').version}, MIPS and ratio to plain")
    print(f"{'core':14} {'M instructions':>14}", *(f"{name:>14}" for name in ENGINES))
    slow = 0
    for board, (rounds, float_rows) in ROUNDS.items():
        work = job(board, build(board, "speed.c", f"-DROUNDS={rounds}", f"-DFLOAT_ROWS={float_rows}"))
        seconds = {name: [engine.run(work).wall_seconds] for name, engine in ENGINES.items()}
        for _ in range(repeats):
            for name, engine in ENGINES.items():
                seconds[name].append(engine.run(work).wall_seconds)
        millions = UnicornEngine().run(work).instructions / 1e6
        best = {name: min(measured[1:]) for name, measured in seconds.items()}
        cells = (f"{millions / one:6.0f} ({best['plain'] / one:4.2f})" for one in best.values())
        print(f"{load_platform(board).core:14} {millions:14.1f}", *(f"{cell:>14}" for cell in cells), flush=True)
        slow += best["plain"] / best["count"] < TARGET
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
