"""Speed of counting as a ratio to the same engine without hooks, both in one run and alternating.

    python benchmarks/emulation_speed.py [repeats]

Seconds are those of the emulating thread, set-up and self-checks included; the best of the repeats counts for each, as
other work on the machine only ever makes a run slower.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from firmware_builds import BOARDS, build, job

from harness.engine import UnicornEngine
from harness.platform import load_platform

ROUNDS = {"rp2040": (5000, 1), "nrf52840": (6000, 8), "imxrt1062": (6000, 8)}
TARGET = 0.70


def _seconds(engine, work):
    began = time.thread_time()
    trace = engine.run(work)
    return time.thread_time() - began, trace


def main() -> int:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(
        f"{'core':14} {'M instructions':>14} {'MIPS plain':>11} {'MIPS counting':>14} {'ratio':>6} {'median ratio':>13}"
    )
    slow = 0
    for board in BOARDS:
        rounds, float_rows = ROUNDS[board]
        elf = build(board, "speed.c", f"-DROUNDS={rounds}", f"-DFLOAT_ROWS={float_rows}")
        plain_s, counting_s = [], []
        instructions = 0
        for _ in range(repeats):
            plain_s.append(_seconds(UnicornEngine(counting=False), job(board, elf))[0])
            seconds, trace = _seconds(UnicornEngine(), job(board, elf))
            counting_s.append(seconds)
            instructions = trace.instructions
        ratio = min(plain_s) / min(counting_s)
        median = statistics.median(p / c for p, c in zip(plain_s, counting_s, strict=True))
        millions = instructions / 1e6
        print(
            f"{load_platform(board).core:14} {millions:14.1f} {millions / min(plain_s):11.0f} "
            f"{millions / min(counting_s):14.0f} {ratio:6.2f} {median:13.2f}"
        )
        slow += ratio < TARGET
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
