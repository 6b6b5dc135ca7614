"""The history of results: stored whole, read back, migrated, shared by processes, and clear when damaged."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from small_runs import small_run
from small_scenarios import environment
from synthetic_results import document, failed, provenance

from harness.checkout.bisection import Probe, bisect, read_values
from harness.errors import InputError
from harness.explanation.stored_run import StoredRun
from harness.history import History, step_changes
from harness.history.database import DATABASE
from harness.history.schema import MIGRATIONS
from harness.report.history_text import series_text, sets_text
from harness.report.trend import trend_picture
from harness.result import Document
from harness.verdict import METRICS, ResultSet, compare, default_thresholds, read_result_set, read_thresholds
from harness.verdict.commits import Commit

INSTRUCTIONS = METRICS["instructions_per_step"]
FLASH = METRICS["flash_bytes"]


def at_commit(commit: str, *documents: Document, dirty: bool = False) -> ResultSet:
    made = provenance().model_copy(update={"git_commit": commit * 40, "git_dirty": dirty})
    return ResultSet(commit, Path(), tuple(one.model_copy(update={"provenance": made}) for one in documents))


def with_flash(size_bytes: int) -> Document:
    one = document()
    assert one.memory is not None
    return one.model_copy(update={"memory": one.memory.model_copy(update={"flash_bytes": size_bytes})})


def test_a_stored_run_is_read_back_with_all_it_left_behind(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    results = read_result_set(small_run())
    history.add("small", results)
    history.add("small", results)
    stored = history.load(history.find("last"))
    run, original = StoredRun(stored.documents[0], stored.folder), StoredRun(results.documents[0], results.folder)
    assert run.trace.instructions == original.trace.instructions
    assert run.sources == original.sources
    assert run.layout == original.layout
    kept = [path for path in history.folder.rglob("*") if path.is_file()]
    assert len(kept) == 4 + 1 + 1, "the four files of a run, the sources and the database: equal contents are kept once"
    before, after = (history.load(history.find(name)) for name in ("#1", "last"))
    assert not compare(before, after, read_thresholds(default_thresholds())).regressed


def test_a_run_whose_files_are_gone_is_not_stored(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    results = read_result_set(small_run())
    with pytest.raises(InputError, match="cannot read what the run stored"):
        history.add("small", ResultSet("moved", tmp_path, results.documents))
    assert history.sets() == []


def test_results_are_found_by_commit_number_last_and_baseline(tmp_path: Path) -> None:
    history = History(tmp_path)
    for commit in ("aa", "bb", "aa", "cc"):
        history.add("night", at_commit(commit[0], document()))
    history.add("other", at_commit("d", document(), failed()))
    assert [one.id for one in history.sets("night")] == [1, 2, 3, 4]
    assert history.find("aaaaaaa").id == 3, "the newest of a commit"
    assert (history.find("#2").id, history.find("last").id, history.find("last", "night").id) == (2, 5, 4)
    with pytest.raises(InputError, match=r"suite night: no baseline is set; set one with: harness baseline set"):
        history.find("baseline", "night")
    history.set_baseline(history.find("#2"))
    history.set_baseline(history.find("#3"))
    assert history.find("baseline", "night").id == 3
    with pytest.raises(InputError, match=r"no results of 'cccccccd'; did you mean 'cccccccccc'\? \(one of: "):
        history.find("cccccccd", "night")
    text = sets_text(history.sets())
    assert "#5" in text.splitlines()[1]
    assert "2, 1 failed" in text.splitlines()[1]
    assert "night, baseline" in text


def test_series_have_every_value_and_mark_where_it_changed(tmp_path: Path) -> None:
    history = History(tmp_path)
    for commit, size in (("a", 1000), ("b", 1000), ("c", 1250), ("d", 1250), ("e", 900)):
        history.add("night", at_commit(commit, with_flash(size), dirty=commit == "c"))
    (series,) = history.series("quickstart", [FLASH])
    assert [point.value for point in series.points] == [1000, 1000, 1250, 1250, 900]
    steps = step_changes(series.points)
    assert [(str(step.before), str(step.after)) for step in steps] == [
        ("bbbbbbbbbb", "cccccccccc+"),
        ("d" * 10, "e" * 10),
    ]
    assert [step.growth for step in steps] == [0.25, -0.28]
    assert step_changes(series.points, 0.26) == steps[1:]
    lines = series_text([series]).splitlines()
    assert lines[0] == "uint8, 0.1, nrf52840: flash"
    assert [line.rpartition("<- ")[2] for line in lines if "<-" in line] == ["+250 (+25.0 %)", "-350 (-28.0 %)"]
    picture = trend_picture(series)
    assert picture.count("<circle") == 5
    assert (picture.count("stroke:var(--bad)"), picture.count("stroke:var(--good)")) == (1, 1)
    assert len(history.series()) == len(METRICS)
    assert history.series("nothing") == []


def old_database(folder: Path, version: int) -> Path:
    """Write a database as version `version` of the schema made it, with one run of an older document."""
    path = folder / DATABASE
    old = json.loads(document().model_dump_json()) | {"schema_number": 1}
    with sqlite3.connect(path) as database:
        for statements in MIGRATIONS[:version]:
            for statement in statements:
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {version}")
        database.execute(
            "INSERT INTO result_set VALUES (1, 'night', ?, 0, '2026-01-01T00:00:00', 'm', '0.0.1', '{}')", ("f" * 40,)
        )
        body = zlib.compress(json.dumps(old).encode())
        database.execute("INSERT INTO run VALUES (1, 1, 'x', 'quickstart', 'uint8, 0.1, nrf52840', 'ok', ?)", (body,))
        database.execute("INSERT INTO value (run, metric, value) VALUES (1, 'flash_bytes', 800)")
    database.close()
    return path


def test_a_database_of_an_older_schema_is_migrated_and_keeps_its_values(tmp_path: Path) -> None:
    path = old_database(tmp_path, 1)
    history = History(tmp_path)
    history.add("night", at_commit("a", with_flash(1000)))
    history.set_baseline(history.find("ffff"))
    (series,) = history.series("quickstart", [FLASH])
    assert [point.value for point in series.points] == [800, 1000]
    with pytest.raises(InputError, match=r"ffffffffff: uint8.*stored by harness 0\.0\.1 in another form"):
        history.load(history.find("baseline"))
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    database.close()


def test_a_migration_that_fails_leaves_the_old_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_database(tmp_path, 1)
    broken = (*MIGRATIONS, ("CREATE TABLE more (id INTEGER)", "CREATE TABLE run (id INTEGER)"))
    monkeypatch.setattr("harness.history.database.MIGRATIONS", broken)
    with pytest.raises(InputError, match="table run already exists"):
        History(tmp_path).sets()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] == 1
        names = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    database.close()
    assert names == {"result_set", "run", "value"}


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    content = path.read_bytes()
    with pytest.raises(InputError, match=r"history\.sqlite: version 99 of the history; this harness reads up to \d"):
        History(tmp_path).sets()
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["no database", "cut", "overwritten"])
def test_a_damaged_database_is_told_in_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / DATABASE
    if damage == "no database":
        path.write_text("this is no database, whatever its name says, and long enough to have a header of one\n" * 9)
    else:
        history = History(tmp_path)
        for commit in "abcdefabcdef":
            history.add("night", at_commit(commit, document(), document("float32")))
        data = bytearray(path.read_bytes())
        path.write_bytes(data[: len(data) // 3] if damage == "cut" else data[:4096] + bytes(len(data) - 4096))
    with pytest.raises(InputError) as caught:
        History(tmp_path).series()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: damaged, or no history of this harness: ")
    assert "move it away" in line


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/history: Not a directory; expected a folder that can be written"):
        History(tmp_path / "file" / "history").add("night", at_commit("a", document()))


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from synthetic_results import document
from harness.history import History
from harness.verdict import ResultSet
history = History(Path(sys.argv[1]))
for _ in range(12):
    history.add("night", ResultSet("x", Path(), (document(), document("float32"))))
"""


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    tests = str(Path(__file__).parent)
    command = [sys.executable, "-c", WRITER, str(tmp_path), tests]
    writers = [subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [("", 0)] * 2
    sets = History(tmp_path).sets()
    assert [one.id for one in sets] == list(range(1, 25))
    assert {one.runs for one in sets} == {2}


COMMITS = [Commit(letter * 40, f"commit {letter}") for letter in "abcdefgh"]


def found_by(values: dict[str, dict[str, float]], wanted: str | None = None) -> tuple[str, str, int, list[str]]:
    tried: list[str] = []

    def measure(commit: Commit) -> Probe:
        tried.append(commit.hash[0])
        return Probe(commit, Path(), values.get(commit.hash[0], {}), "does not build")

    result = bisect(COMMITS, measure, wanted)
    ends = result.last_good.commit.hash[0], result.first_bad.commit.hash[0]
    return *ends, len(tried), [probe.commit.hash[0] for probe in result.untested]


def test_halving_tries_few_commits_and_leaves_out_those_that_do_not_run() -> None:
    values = {letter: {"x": 10.0, "y": 1.0} if letter < "f" else {"x": 12.0, "y": 1.0} for letter in "abcdefgh"}
    assert found_by(values) == ("e", "f", 5, [])
    assert found_by({letter: value for letter, value in values.items() if letter not in "d"})[:2] == ("e", "f")
    good, bad, _, untested = found_by({letter: value for letter, value in values.items() if letter not in "ef"})
    assert (good, bad, untested) == ("d", "g", ["e", "f"])


def test_halving_refuses_ends_that_do_not_differ_or_cannot_be_measured() -> None:
    with pytest.raises(InputError, match=r"x: is 1 at a{10} commit a and at h{10} commit h: nothing to find"):
        found_by({letter: {"x": 1.0} for letter in "abcdefgh"})
    with pytest.raises(InputError, match=r"h{10} commit h: cannot be measured: does not build"):
        found_by({"a": {"x": 1.0}})
    with pytest.raises(InputError, match=r"--run z: no run of that label at both commits; \(one of: x\)"):
        found_by({"a": {"x": 1.0}, "h": {"x": 2.0}}, "z")


def test_results_of_an_older_schema_are_still_measured(tmp_path: Path) -> None:
    entry = json.loads(document().model_dump_json())
    old = {"schema_number": 1, "run": {"id": "x", "label": "old"}, "memory": {"flash_bytes": 7}, "gone": True}
    (tmp_path / "results.json").write_text(json.dumps({"documents": [old, entry]}))
    assert read_values(tmp_path, FLASH) == {"old": 7.0, "uint8, 0.1, nrf52840": entry["memory"]["flash_bytes"]}
    assert read_values(tmp_path, INSTRUCTIONS) == {"uint8, 0.1, nrf52840": entry["counts"]["instructions_per_step"]}
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(InputError, match="no results that can be read"):
        read_values(tmp_path, FLASH)
