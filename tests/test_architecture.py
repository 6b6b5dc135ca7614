"""Holds the code to the module table in docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "harness"
ROW = re.compile(r"^\| `(?P<module>\w+)` \| (?P<holds>[^|]+) \|(?P<imports>[^|]*)\|$", re.MULTILINE)
IMPORTING_CALLS = {"import_module", "__import__", "run_module"}


def allowed_imports(document: str) -> dict[str, set[str]]:
    """Module name to the modules its row of the table lets it import, in the order of the table."""
    allowed: dict[str, set[str]] = {}
    for row in ROW.finditer(document):
        names = row["imports"].strip()
        above = set(allowed)
        allowed[row["module"]] = above if names == "all above" else {n.strip() for n in names.split(",") if n.strip()}
    return allowed


def source_files(package: Path) -> dict[str, Path]:
    """Dotted name to file, for every Python file of the package: `harness.plan` is `harness/plan/__init__.py`."""
    files = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def owner(dotted: str) -> str | None:
    """Name the row that a dotted name belongs to; `python -m harness` is the command line's; None for `harness`."""
    parts = dotted.split(".")
    if len(parts) == 1:
        return None
    return "cli" if parts[1] == "__main__" else parts[1]


def imported_names(dotted: str, source: str, *, is_package: bool) -> Iterator[tuple[str, int]]:
    """Yield every dotted name of the project that a file imports, anywhere in it, with its line."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = dotted.split(".")
            base = base[: len(base) - node.level + is_package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{origin}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in IMPORTING_CALLS:
                names = [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        yield from ((name, node.lineno) for name in names if name.split(".")[0] == PACKAGE)


def violations(allowed: dict[str, set[str]], package: Path) -> list[str]:
    """One line for each import that the table does not allow."""
    files = source_files(package)
    modules = {module for name in files if (module := owner(name))}
    found = []
    for dotted, path in files.items():
        module = owner(dotted)
        for name, line in imported_names(dotted, path.read_text("utf-8"), is_package=path.stem == "__init__"):
            target = owner(name)
            if target not in modules | set(allowed) or target == module:  # an attribute of `harness` itself, or inside
                continue
            if module is None or target not in allowed.get(module, set()):
                found.append(f"{path.relative_to(package.parent)}:{line}: {module or PACKAGE} may not import {target}")
    return list(dict.fromkeys(found))


def import_cycle(package: Path) -> list[str]:
    """Return the files of one import cycle in order, or an empty list."""
    files = source_files(package)
    graph: dict[str, set[str]] = {}
    for dotted, path in files.items():
        targets = imported_names(dotted, path.read_text("utf-8"), is_package=path.stem == "__init__")
        # `from harness.plan import Plan` needs harness/plan/__init__.py; `import arena` from it needs only arena.py.
        graph[dotted] = {name if name in files else name.rpartition(".")[0] for name, _ in targets} & set(files)
        graph[dotted].discard(PACKAGE)
    done: set[str] = set()

    def visit(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in done:
            return []
        for target in sorted(graph[node]):
            if cycle := visit(target, [*trail, node]):
                return cycle
        done.add(node)
        return []

    return next((cycle for node in graph if (cycle := visit(node, []))), [])


@pytest.fixture(scope="module")
def allowed() -> dict[str, set[str]]:
    return allowed_imports((ROOT / "docs/architecture.md").read_text("utf-8"))


def test_every_row_of_the_table_names_only_modules_above_it(allowed: dict[str, set[str]]) -> None:
    above: set[str] = set()
    for module, imports in allowed.items():
        assert imports <= above, f"the row of {module} names {sorted(imports - above)}, which do not stand above it"
        above.add(module)
    assert {"errors", "plan", "engine", "cli"} <= above


def test_every_module_stands_in_the_table_and_the_other_way_round(allowed: dict[str, set[str]]) -> None:
    modules = {module for name in source_files(ROOT / PACKAGE) if (module := owner(name))}
    assert modules == set(allowed)


def test_every_import_is_one_the_table_allows(allowed: dict[str, set[str]]) -> None:
    assert violations(allowed, ROOT / PACKAGE) == []


def test_no_file_imports_itself_through_others() -> None:
    assert " -> ".join(import_cycle(ROOT / PACKAGE)) == ""


def test_nothing_is_called_after_having_no_subject() -> None:
    vague = {"util", "utils", "helper", "helpers", "misc", "stuff"}
    named = [p for top in (PACKAGE, "firmware", "tests", "benchmarks") for p in (ROOT / top).rglob("*")]
    assert [str(p.relative_to(ROOT)) for p in named if p.stem.strip("_") in vague] == []


TABLE = """
| module | what it holds | may import |
|---|---|---|
| `errors` | the error types | |
| `plan` | the plan | errors |
| `build` | the build | errors, plan |
| `cli` | the commands | all above |
"""


def a_package(folder: Path, sources: dict[str, str]) -> Path:
    for name, source in {"__init__.py": "__version__ = '1'\n", **sources}.items():
        path = folder / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
    return folder / PACKAGE


def test_all_above_means_every_earlier_row() -> None:
    assert allowed_imports(TABLE) == {
        "errors": set(),
        "plan": {"errors"},
        "build": {"errors", "plan"},
        "cli": {"errors", "plan", "build"},
    }


@pytest.mark.parametrize(
    "source",
    [
        "import harness.build\n",
        "from harness import build\n",
        "from harness.build import elf\n",
        "from .. import build\n",
        "from ..build.elf import symbols\n",
        "def f():\n    from harness.build import elf\n",
        "import importlib\nimportlib.import_module('harness.build')\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from harness.build import elf\n",
    ],
)
def test_a_forbidden_import_is_found_however_it_is_written(tmp_path: Path, source: str) -> None:
    package = a_package(tmp_path, {"plan/arena.py": source, "plan/__init__.py": "", "build/elf.py": ""})
    (line,) = violations(allowed_imports(TABLE), package)
    assert re.fullmatch(r"harness/plan/arena\.py:\d: plan may not import build", line)


@pytest.mark.parametrize(
    "source",
    [
        "from harness import __version__\n",
        "from harness.errors import InputError\n",
        "from harness.plan.tensors import Tensor\n",
        "from . import tensors\n",
        "from .tensors import Tensor\n",
        "from ..errors import InputError\n",
        "import numpy\n",
    ],
)
def test_an_allowed_import_is_left_alone_however_it_is_written(tmp_path: Path, source: str) -> None:
    package = a_package(tmp_path, {"plan/arena.py": source, "plan/tensors.py": "", "errors.py": "", "build/elf.py": ""})
    assert violations(allowed_imports(TABLE), package) == []


def test_a_cycle_is_found_through_functions_and_packages(tmp_path: Path) -> None:
    package = a_package(
        tmp_path,
        {
            "plan/__init__.py": "from harness.plan.arena import Arena\n",
            "plan/arena.py": "def f():\n    from harness.plan.tensors import Tensor\n",
            "plan/tensors.py": "from harness.plan import Arena\n",
        },
    )
    assert import_cycle(package) == ["harness.plan", "harness.plan.arena", "harness.plan.tensors", "harness.plan"]


def test_a_package_that_gathers_its_own_files_is_no_cycle(tmp_path: Path) -> None:
    package = a_package(
        tmp_path,
        {
            "plan/__init__.py": "from harness.plan.arena import Arena\n",
            "plan/arena.py": "from harness.plan.tensors import Tensor\nfrom harness.plan import tensors\n",
            "plan/tensors.py": "",
        },
    )
    assert import_cycle(package) == []
