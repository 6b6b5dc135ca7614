"""The kernel tests again on the host, with kernels built with ASan and UBSan."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = sorted(path for path in TESTS.glob("test_kernels_*.py") if path != Path(__file__))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_kernel_reads_or_writes_outside_its_tensors(path):
    compiler = os.environ.get("CC", "cc")
    libraries = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ,
        "HARNESS_TEST_SANITIZE": "1",
        "LD_PRELOAD": " ".join(libraries),
        # Python does not free everything at its end.
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-k", "host", str(path)]
    # -s: what a sanitizer says last must not stay in a buffer of pytest.
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, cwd=TESTS.parent)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
