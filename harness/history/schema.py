"""The tables of the database, version by version; `PRAGMA user_version` says which a file has."""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE result_set (
            id INTEGER PRIMARY KEY,
            suite TEXT NOT NULL,
            git_commit TEXT,
            dirty INTEGER NOT NULL,
            date TEXT NOT NULL,
            machine TEXT NOT NULL,
            harness TEXT NOT NULL,
            tools TEXT NOT NULL
        )""",
        """CREATE TABLE run (
            id INTEGER PRIMARY KEY,
            result_set INTEGER NOT NULL REFERENCES result_set (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            scenario TEXT NOT NULL,
            label TEXT NOT NULL,
            status TEXT NOT NULL,
            document BLOB NOT NULL
        )""",
        """CREATE TABLE value (
            run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
            metric TEXT NOT NULL,
            value REAL NOT NULL,
            PRIMARY KEY (run, metric)
        ) WITHOUT ROWID""",
        "CREATE INDEX run_of_set ON run (result_set)",
    ),
    (
        """CREATE TABLE baseline (
            suite TEXT PRIMARY KEY,
            result_set INTEGER NOT NULL REFERENCES result_set (id) ON DELETE CASCADE
        )""",
        # The model of an estimate stands beside it, so that a step of a series that it explains can say so.
        "ALTER TABLE value ADD COLUMN model TEXT",
    ),
)
"""The statements that lead from version n to n + 1. Old ones stay as they are: files of their version exist."""
