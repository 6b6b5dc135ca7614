"""Firmware to be loaded by hand: whoever loads the files to their addresses gets the records of the twin."""

from __future__ import annotations

import json
from pathlib import Path

from small_scenarios import write_scenario

from harness.cache import user_cache
from harness.engine import Job, UnicornEngine
from harness.pipeline import prepare
from harness.pipeline.loadable import build_loadable
from harness.platform import load_platform
from harness.scenario import read_scenarios


def test_files_loaded_by_hand_make_the_firmware_write_the_records_of_the_twin(tmp_path: Path) -> None:
    (prepared,) = prepare(read_scenarios(write_scenario(tmp_path / "small.yaml", engine={"steps": 10, "evaluate": 3})))
    loadable = build_loadable(prepared, user_cache(), tmp_path / "loadable")
    platform = load_platform(loadable.platform)
    assert (loadable.vector_table, loadable.uart) == (platform.vector_table, platform.uart)
    writes = tuple((address, file.read_bytes()) for file, address in loadable.writes)
    trace = UnicornEngine().run(Job(elf=loadable.elf, platform=platform, writes=writes))
    assert [json.dumps(record, separators=(",", ":")) for record in trace.records] == list(loadable.records)
    assert len([record for record in trace.records if record["r"] == "step"]) == 10
    assert (loadable.folder / "records.txt").read_text().splitlines() == list(loadable.records)
