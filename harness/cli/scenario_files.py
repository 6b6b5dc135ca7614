"""Scenario files as the command line names them: files, folders and patterns."""

from __future__ import annotations

from pathlib import Path

from harness.errors import InputError

_SUFFIXES = (".yaml", ".yml")
_PATTERN = frozenset("*?[")


def scenario_files(paths: list[Path]) -> list[Path]:
    """Return the files that `paths` mean, each once: a folder means all YAML files below it, in the order of names.

    Patterns with `*`, `?`, `[...]` and `**` work where the shell did not expand them. Raises InputError for a folder or
    a pattern without such a file; a file that is missing is left to its reader.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            files = sorted(file for suffix in _SUFFIXES for file in path.rglob(f"*{suffix}") if not _hidden(file, path))
        elif _PATTERN & set(str(path)) and not path.exists():
            root = Path(path.anchor)
            files = sorted(file for file in root.glob(str(path.relative_to(root))) if file.is_file())
        else:
            files = [path]
        if not files:
            raise InputError(f"{path}: no scenario files; expected a folder or a pattern with files that end in .yaml")
        found += files
    return list(dict.fromkeys(found))


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)
