"""The command line as people use it: a process with output, messages and an exit status."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import __version__

ROOT = Path(__file__).resolve().parent.parent
HARNESS = [sys.executable, "-m", "harness"]


def environment(**changes: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in {"HARNESS_DEBUG", "FORCE_COLOR"}}
    return {**inherited, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb", **changes}


def run(*arguments: str | Path, cwd: Path = ROOT, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HARNESS, *map(str, arguments)],
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def python(code: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=environment(**changes), capture_output=True, text=True, timeout=120, cwd=ROOT
    )


def test_help_names_every_command_and_its_purpose() -> None:
    result = run("--help")
    assert result.returncode == 0
    for command in ("validate", "schema", "doctor"):
        assert re.search(rf"\b{command}\b\s+\S+", result.stdout)
        assert run(command, "--help").returncode == 0


def test_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == f"harness {__version__}\n"


def test_help_imports_none_of_the_heavy_libraries() -> None:
    heavy = {"numpy", "pandas", "matplotlib", "unicorn", "capstone", "sklearn", "pydantic", "yaml"}
    result = python(f"import harness.cli, sys; print(sorted({heavy!r} & set(sys.modules)))")
    assert result.stdout == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_completion_script(shell: str) -> None:
    script = run(_HARNESS_COMPLETE=f"source_{shell}")
    assert script.returncode == 0
    assert "_HARNESS_COMPLETE=complete_" in script.stdout


def test_commands_are_completed() -> None:
    result = run(_HARNESS_COMPLETE="complete_bash", COMP_WORDS="harness va", COMP_CWORD="1")
    assert result.stdout.split() == ["validate", "validate-model"]


def test_an_unknown_command_is_bad_input() -> None:
    result = run("valdate")
    assert result.returncode == 2
    assert "validate" in result.stderr
    assert "Traceback" not in result.stderr


def test_validate_counts_the_runs_of_good_files() -> None:
    result = run("validate", "scenarios/quickstart.yaml", "scenarios/fashion.yaml", "scenarios/adaptation.yaml")
    assert result.returncode == 0
    assert result.stdout == "scenarios/quickstart.yaml: ok, 18 runs\nscenarios/fashion.yaml: ok, 12 runs\n" + (
        "scenarios/adaptation.yaml: ok, 8 runs\n"
    )
    assert result.stderr == ""


def test_validate_lists_runs_on_request() -> None:
    lines = run("validate", "--runs", "scenarios/quickstart.yaml").stdout.splitlines()
    assert re.match(r"  quickstart\[nrf52840,uint8,1\.0\]: arena \d+ bytes \(lower bound \d+\), ", lines[1])
    assert len(lines) == 19


def test_validate_reports_every_bad_file_and_ends_with_status_2(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: a\nplatfrom: rp2040\n")
    good = ROOT / "scenarios" / "quickstart.yaml"
    result = run("validate", "bad.yaml", good, "missing.yaml", ".", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == f"{good}: ok, 18 runs\n"
    lines = result.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [*["bad.yaml:1:1"] * 3, "bad.yaml:2:1", "missing.yaml", "."]
    assert lines[3].endswith("did you mean 'platform'?")


def test_validate_checks_the_plan_of_every_run_against_its_budget(tmp_path: Path) -> None:
    path = tmp_path / "tight.yaml"
    path.write_text(
        "name: tight\nmodel: {name: digits-cnn}\ndataset: {name: digits, train: 100, test: 50}\nplatform: rp2040\n"
        "matrix: {memory.ram_budget: [64 KiB, 8 KiB]}\n"
    )
    result = run("validate", path)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{path}:5:38: memory.ram_budget: the plan needs ")
    assert "what would fit" in line
    assert "tight[8KiB]" in line


def test_debug_shows_where_an_error_comes_from(tmp_path: Path) -> None:
    result = run("validate", tmp_path, HARNESS_DEBUG="1")
    assert result.returncode != 0
    assert "Traceback" in result.stderr
    assert "is a folder" in result.stderr


def test_schema_writes_json_to_standard_output_or_a_file(tmp_path: Path) -> None:
    shown = run("schema")
    assert json.loads(shown.stdout)["title"] == "Scenario"
    written = run("schema", "--output", tmp_path / "schema.json")
    assert (written.stdout, written.returncode) == ("", 0)
    assert (tmp_path / "schema.json").read_text() == shown.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["schema.json"]


def test_schema_writes_the_reference_as_markdown() -> None:
    assert run("schema", "--format", "markdown").stdout == (ROOT / "docs" / "scenario.md").read_text("utf-8")


def test_a_file_that_cannot_be_written_is_one_line_with_status_3(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("schema", "--output", tmp_path / "file" / "schema.json")
    assert result.returncode == 3
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_doctor_lists_every_tool_with_what_is_needed() -> None:
    result = run("doctor")
    rows = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    for tool in (
        "python",
        "cc",
        "cmake",
        "ninja",
        "arm-none-eabi-gcc",
        "newlib",
        "unicorn",
        "capstone",
        "numpy",
        "git",
    ):
        assert tool in rows
    assert re.search(r"python\s+3\.\d+\.\d+\S*\s+>=3\.11\s+ok", rows["python"])
    assert re.search(r"unicorn\s+2\.1\.\d+\s+\S+\s+ok", rows["unicorn"])


def test_doctor_without_a_toolchain_names_the_commands_and_ends_with_status_3(tmp_path: Path) -> None:
    result = run("doctor", PATH=str(tmp_path))
    assert result.returncode == 3
    rows = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    for tool, package in {
        "cc": "gcc libc6-dev",
        "cmake": "cmake",
        "ninja": "ninja-build",
        "arm-none-eabi-gcc": "gcc-arm-none-eabi",
        "newlib": "libnewlib-arm-none-eabi",
    }.items():
        assert "missing" in rows[tool]
        assert rows[tool].endswith(f"apt-get install --no-install-recommends {package}")
    assert "missing (optional)" in rows["git"]
    assert result.stderr == "\n5 required tools are missing or of the wrong version\n"


def test_doctor_tells_a_tool_that_is_too_old(tmp_path: Path) -> None:
    cmake = tmp_path / "cmake"
    cmake.write_text("#!/bin/sh\necho cmake version 3.13.4\n")
    cmake.chmod(0o755)
    line = next(line for line in run("doctor", PATH=str(tmp_path)).stdout.splitlines() if line.startswith("cmake"))
    assert re.search(r"3\.13\.4\s+>=3\.21\s+too old", line)


def test_output_into_a_closed_pipe_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [*HARNESS, "schema"], stdout=writer, stderr=subprocess.PIPE, env=environment(), cwd=ROOT, timeout=120
        )
    finally:
        os.close(writer)
    assert result.stderr == b""


RAISING = """
import harness.cli, sys, typer
from harness.errors import *
@harness.cli.app.command("fail")
def fail() -> None:
    raise {error}
sys.argv = ["harness", "fail"]
harness.cli.main()
"""


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        ("InputError('a.yaml:1:1: wrong', 'a.yaml:2:1: wrong')", 2, "a.yaml:1:1: wrong\na.yaml:2:1: wrong\n"),
        ("BudgetError('too much')", 2, "too much\n"),
        ("EngineError('stuck')", 3, "stuck\n"),
        ("MissingToolError('install it')", 3, "install it\n"),
        ("ZeroDivisionError('oops')", 3, "internal error: ZeroDivisionError: oops (HARNESS_DEBUG=1 shows where)\n"),
        ("PermissionError(13, 'Permission denied', 'out')", 3, "out: Permission denied\n"),
    ],
)
def test_every_error_is_a_message_and_its_own_exit_status(error: str, status: int, message: str) -> None:
    result = python(RAISING.format(error=error))
    assert (result.returncode, result.stderr) == (status, message)


def test_an_interrupt_ends_with_status_130_and_without_a_traceback() -> None:
    code = RAISING.replace("raise {error}", "import time; print('ready', flush=True); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in complaint
