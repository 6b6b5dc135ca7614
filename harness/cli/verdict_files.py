"""The files of a verdict, for people, for CI and for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.history import Series
    from harness.verdict import Comparison

TEXT = "verdict.txt"


def write_verdict(folder: Path, comparison: Comparison, series: list[Series]) -> None:
    """Write verdict.txt, .md, .html, .json, junit.xml and bencher.json into `folder`."""
    from harness.assets import write_atomically
    from harness.report.verdict_json import bencher_metrics, verdict_json
    from harness.report.verdict_junit import verdict_junit
    from harness.report.verdict_markdown import verdict_markdown
    from harness.report.verdict_page import verdict_page
    from harness.report.verdict_text import verdict_text

    files = {
        TEXT: verdict_text(comparison),
        "verdict.md": verdict_markdown(comparison),
        "verdict.html": verdict_page(comparison, series),
        "verdict.json": json.dumps(verdict_json(comparison), indent=1, ensure_ascii=False) + "\n",
        "junit.xml": verdict_junit(comparison),
        "bencher.json": json.dumps(bencher_metrics(comparison.after), indent=1) + "\n",
    }
    for name, text in files.items():
        write_atomically(folder / name, text.encode())
