"""Speed of the fidelities of the Renode engine as ratios to Renode without hooks, all in one run and alternating.

    python benchmarks/renode_overhead.py [repeats]

Seconds are those that Renode's process had a processor for, less those of a firmware that ends at once: loading and
most of the JIT compilation by .NET are left out. The best of the repeats counts, as other work on the machine only
ever makes a run slower.
"""

import sys
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from firmware_builds import build, job

from harness.engine import engine_named
from harness.engine.renode.engine import RenodeEngine
from harness.platform import load_platform

ROUNDS = {"rp2040": (9000, 1), "nrf52840": (18000, 4), "imxrt1062": (18000, 4)}
ENGINES = {
    "plain": RenodeEngine(counting=False),
    "count": RenodeEngine("count"),
    "profile": RenodeEngine("profile"),
}
TARGET = 0.80


def _work(board, rounds, float_rows):
    elf = build(board, "speed.c", f"-DROUNDS={rounds}", f"-DFLOAT_ROWS={float_rows}")
    return job(board, elf, timeout_s=300)


def _processor_s():
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(time.user + time.system for time in times)


def _seconds(engine, work):
    began = _processor_s()
    trace = engine.run(work)
    return _processor_s() - began, trace


def main() -> int:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"Renode {engine_named('renode').version}: million instructions a second, and ratio to plain")
    print(f"{'core':14} {'M instructions':>14}", *(f"{name:>14}" for name in ENGINES))
    slow = 0
    for board, (rounds, float_rows) in ROUNDS.items():
        work, nothing = _work(board, rounds, float_rows), _work(board, 1, 1)
        seconds = {name: [] for name in ENGINES}
        for engine in ENGINES.values():
            engine.run(nothing)
        for _ in range(repeats):
            for name, engine in ENGINES.items():
                idle_s = min(_seconds(engine, nothing)[0] for _ in range(2))
                busy_s, trace = _seconds(engine, work)
                seconds[name].append(busy_s - idle_s)
        millions = trace.instructions / 1e6
        best = {name: min(measured) for name, measured in seconds.items()}
        cells = (f"{millions / one:6.0f} ({best['plain'] / one:4.2f})" for one in best.values())
        print(f"{load_platform(board).core:14} {millions:14.1f}", *(f"{cell:>14}" for cell in cells), flush=True)
        slow += best["plain"] / best["count"] < TARGET
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
