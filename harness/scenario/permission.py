"""Which files a scenario may name: it may come from someone else, and must not read what it has no business with."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import InputError

VARIABLE = "HARNESS_DATA"


def permitted_folders(scenario_file: str) -> list[Path]:
    """Return the folders in and below which a scenario may name files.

    They are the folder of the scenario file, when there is one, the working folder, and those that the environment
    variable HARNESS_DATA lists.
    """
    folders = [Path(scenario_file).parent] if scenario_file else []
    folders.append(Path.cwd())
    folders += [Path(entry).expanduser() for entry in os.environ.get(VARIABLE, "").split(os.pathsep) if entry]
    return list(dict.fromkeys(folder.resolve() for folder in folders))


def permitted_path(written: str, scenario_file: str) -> Path:
    """Return the file or folder that `written` in a scenario means.

    A relative path is looked for in each of the permitted folders, and stands for one in the first of them when it is
    in none. Raises InputError when the path, with all links resolved, leads out of the permitted folders.
    """
    folders = permitted_folders(scenario_file)
    try:
        path = Path(written).expanduser()
        candidates = [path] if path.is_absolute() else [folder / path for folder in folders]
        found = next((each for each in candidates if each.exists()), candidates[0])
        allowed = any(found.resolve().is_relative_to(folder) for folder in folders)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, an unknown user, a zero byte
        raise InputError(f"'{written}' is no path: {error}") from None
    if not allowed:
        listed = ", ".join(map(str, folders))
        raise InputError(
            f"{written} leads out of the folders a scenario may read; expected a path in or below {listed}; "
            f"{VARIABLE} can name more"
        )
    return found
