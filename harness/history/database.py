"""The SQLite database of result sets. Traces and firmware lie beside it, named by their content."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from harness.assets import write_atomically
from harness.errors import InputError, nearest
from harness.history.schema import MIGRATIONS
from harness.history.series import Point, Series
from harness.result import Document, StoredFile
from harness.result.evidence import stored_path
from harness.result.firmware_sources import sources_path
from harness.verdict.commits import resolve
from harness.verdict.metric import METRICS, Metric
from harness.verdict.result_set import ResultSet

DATABASE = "history.sqlite"
_OBJECTS = "objects"
_WAIT_S = 60.0
_SHORTEST_PREFIX = 4
_FILES = ("firmware", "trace", "layout", "plan")

Access = Literal["read", "write"]


@dataclass(frozen=True)
class StoredSet:
    """One result set of the history, without its runs."""

    id: int
    suite: str
    commit: str | None
    dirty: bool
    date: str
    machine: str
    harness: str
    tools: dict[str, str]
    runs: int
    failed: int
    is_baseline: bool

    @property
    def name(self) -> str:
        """Return how it is called: `1a2b3c4d5e`, with a plus when files differed from the commit."""
        return (self.commit[:10] if self.commit else f"#{self.id}") + ("+" if self.dirty else "")


class History:
    """The history in one folder. Several processes may read and write it at once."""

    def __init__(self, folder: Path) -> None:
        """Take `folder`; nothing is read or made before it is needed."""
        self.folder = folder
        self.path = folder / DATABASE

    def add(self, suite: str, results: ResultSet) -> int:
        """Store a result set with everything it left behind, and return its number.

        Either all of it is there afterwards or nothing. Raises InputError when what a run left behind is gone.
        """
        documents = [self._keep(document, results.folder) for document in results.documents]
        newest = max(documents, key=lambda document: document.provenance.created)
        origin = newest.provenance
        with self._transaction("write") as database:
            cursor = database.execute(
                "INSERT INTO result_set (suite, git_commit, dirty, date, machine, harness, tools)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    suite,
                    results.commit,
                    results.dirty,
                    origin.created.isoformat(),
                    origin.host,
                    origin.harness,
                    json.dumps({"python": origin.python, **origin.tools}),
                ),
            )
            number = cursor.lastrowid
            assert number is not None
            for document in documents:
                _insert(database, number, document)
        return number

    def _keep(self, document: Document, folder: Path) -> Document:
        """Copy what a run left behind, and return its document with the new places."""
        evidence = document.evidence
        if evidence is None:
            return document
        kept = {}
        for name in _FILES:
            file: StoredFile = getattr(evidence, name)
            place = f"{_OBJECTS}/{file.content[:2]}/{file.content}"
            source = stored_path(folder, file)
            if not (self.folder / place).exists():
                write_atomically(self.folder / place, source.read_bytes())
            kept[name] = StoredFile(name=place, content=file.content)
        sources, goal = (sources_path(place, evidence.sources) for place in (folder, self.folder))
        if sources.exists() and not goal.exists():
            write_atomically(goal, sources.read_bytes())
        return document.model_copy(update={"evidence": evidence.model_copy(update=kept)})

    def sets(self, suite: str | None = None) -> list[StoredSet]:
        """Return the result sets of a suite, or of all, the oldest first."""
        if not self.path.exists():
            return []
        with self._transaction("read") as database:
            rows = database.execute(
                "SELECT result_set.*, baseline.result_set IS NOT NULL AS is_baseline,"
                " (SELECT count(*) FROM run WHERE run.result_set = result_set.id) AS runs,"
                " (SELECT count(*) FROM run WHERE run.result_set = result_set.id AND status = 'failed') AS failed"
                " FROM result_set LEFT JOIN baseline ON baseline.result_set = result_set.id"
                " WHERE ? IS NULL OR result_set.suite = ? ORDER BY result_set.id",
                (suite, suite),
            ).fetchall()
        return [
            StoredSet(
                row["id"],
                row["suite"],
                row["git_commit"],
                bool(row["dirty"]),
                row["date"],
                row["machine"],
                row["harness"],
                json.loads(row["tools"]),
                row["runs"],
                row["failed"],
                bool(row["is_baseline"]),
            )
            for row in rows
        ]

    def find(self, name: str, suite: str | None = None) -> StoredSet:
        """Return the newest result set that `name` means: `last`, `baseline`, `#12`, a commit, a branch or a tag.

        Raises InputError with what there is.
        """
        known = self.sets(suite)
        where = f"{self.path}{f', suite {suite}' if suite else ''}"
        if not known:
            raise InputError(f"{where}: holds no results; store some with: harness nightly")
        if name == "last":
            return known[-1]
        if name == "baseline":
            found = [one for one in known if one.is_baseline]
            if not found:
                raise InputError(f"{where}: no baseline is set; set one with: harness baseline set [COMMIT]")
            return found[-1]
        matching = [one for one in known if name == f"#{one.id}" or _is_commit(one, name)]
        if not matching and (commit := resolve(name)):
            matching = [one for one in known if one.commit == commit]
        if not matching:
            names = dict.fromkeys(one.name for one in reversed(known))
            raise InputError(f"{where}: no results of '{name}'; {nearest(name, list(names)[:12])}")
        return matching[-1]

    def load(self, stored: StoredSet) -> ResultSet:
        """Return a result set with its documents.

        Raises InputError when another version of harness stored them in a form that this one does not read.
        """
        with self._transaction("read") as database:
            rows = database.execute(
                "SELECT label, document FROM run WHERE result_set = ? ORDER BY id", (stored.id,)
            ).fetchall()
        documents = []
        for row in rows:
            try:
                documents.append(Document.model_validate_json(zlib.decompress(row["document"])))
            except (ValidationError, zlib.error) as error:
                raise InputError(
                    f"{self.path}: {stored.name}: {row['label']}: was stored by harness {stored.harness} in another "
                    "form; its values stay in the history, to compare it run the suite at that commit again"
                ) from error
        return ResultSet(f"{stored.suite} #{stored.id}", self.folder, tuple(documents))

    def set_baseline(self, stored: StoredSet) -> None:
        """Make a result set the baseline of its suite."""
        with self._transaction("write") as database:
            database.execute(
                "INSERT INTO baseline (suite, result_set) VALUES (?, ?)"
                " ON CONFLICT (suite) DO UPDATE SET result_set = excluded.result_set",
                (stored.suite, stored.id),
            )

    def series(
        self, scenario: str | None = None, metrics: Sequence[Metric] = tuple(METRICS.values()), suite: str | None = None
    ) -> list[Series]:
        """Return the series of all runs whose scenario or label is `scenario`, in the order in which they appeared."""
        if not self.path.exists():
            return []
        with self._transaction("read") as database:
            rows = database.execute(
                "SELECT run.scenario, run.label, value.metric, value.value, value.model, result_set.id AS number,"
                " result_set.git_commit, result_set.dirty, result_set.date"
                " FROM value JOIN run ON run.id = value.run JOIN result_set ON result_set.id = run.result_set"
                " WHERE (? IS NULL OR run.scenario = ? OR run.label = ?) AND (? IS NULL OR result_set.suite = ?)"
                " ORDER BY result_set.id, run.id",
                (scenario, scenario, scenario, suite, suite),
            ).fetchall()
        points: dict[tuple[str, str], dict[str, list[Point]]] = {}
        for row in rows:
            point = Point(row["number"], row["git_commit"], bool(row["dirty"]), row["date"], row["value"], row["model"])
            points.setdefault((row["scenario"], row["label"]), {}).setdefault(row["metric"], []).append(point)
        return [
            Series(*names, metric, tuple(of_run[metric.name]))
            for names, of_run in points.items()
            for metric in metrics
            if metric.name in of_run
        ]

    @contextmanager
    def _transaction(self, access: Access) -> Iterator[sqlite3.Connection]:
        """Open the database, bring it to the newest version, and commit what is done in it; all or nothing.

        Raises InputError when the file is damaged, of a newer version, not accessible, or locked for too long.
        """
        database: sqlite3.Connection | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA foreign_keys = ON")
            self._migrate(database)
            database.execute("BEGIN IMMEDIATE" if access == "write" else "BEGIN")
            yield database
            database.execute("COMMIT")
        except sqlite3.Error as error:
            raise InputError(_complaint(self.path, error)) from error
        except OSError as error:
            raise InputError(f"{self.folder}: {error.strerror}; expected a folder that can be written") from error
        finally:
            if database is not None:
                database.close()  # what was not committed is rolled back

    def _migrate(self, database: sqlite3.Connection) -> None:
        if self._version(database) == len(MIGRATIONS):
            return
        database.execute("BEGIN IMMEDIATE")
        for statements in MIGRATIONS[self._version(database) :]:  # another process may have been faster
            for statement in statements:
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        database.execute("COMMIT")

    def _version(self, database: sqlite3.Connection) -> int:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise InputError(
                f"{self.path}: version {version} of the history; this harness reads up to {len(MIGRATIONS)}: update it"
            )
        return version


def _is_commit(stored: StoredSet, name: str) -> bool:
    return bool(stored.commit) and len(name) >= _SHORTEST_PREFIX and str(stored.commit).startswith(name.lower())


def _insert(database: sqlite3.Connection, number: int, document: Document) -> None:
    run = document.run
    cursor = database.execute(
        "INSERT INTO run (result_set, name, scenario, label, status, document) VALUES (?, ?, ?, ?, ?, ?)",
        (
            number,
            run.id,
            run.scenario,
            run.label or run.id,
            document.status,
            zlib.compress(document.model_dump_json().encode()),
        ),
    )
    values = [(cursor.lastrowid, metric.name, value, _model(metric, document)) for metric in METRICS.values()
              if (value := metric.of(document)) is not None]  # fmt: skip
    database.executemany("INSERT INTO value (run, metric, value, model) VALUES (?, ?, ?, ?)", values)


def _model(metric: Metric, document: Document) -> str | None:
    if metric.exact:
        return None
    estimate: Any = getattr(document.estimates, metric.name)
    return str(estimate.model)


def _complaint(path: Path, error: sqlite3.Error) -> str:
    name = error.sqlite_errorname if hasattr(error, "sqlite_errorname") else ""
    if name.startswith("SQLITE_BUSY"):
        return f"{path}: another process has held it for {_WAIT_S:.0f} s; expected it to finish sooner"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_FULL", "SQLITE_IOERR")):
        return f"{path}: {error}; expected a file that can be read and written"
    return (
        f"{path}: damaged, or no history of this harness: {error}; move it away to begin a new one, or restore a copy "
        "(sqlite3 FILE .recover saves what is readable)"
    )
