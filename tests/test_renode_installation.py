"""Getting Renode without Renode: small archives and a server of the tests, programs that only look like it."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.engine.renode.download import Release, check, fetch, install, release_for, unpack
from harness.engine.renode.installation import (
    HOW_TO_GET,
    TESTED_VERSION,
    find_renode,
    installed_command,
    program_version,
    require_renode,
)
from harness.engine.renode.verification import FIRMWARE, verify
from harness.errors import EngineError, InputError, MissingToolError

ROOT = Path(__file__).resolve().parent.parent
TOP = "renode_1.16.1-dotnet_portable"
A_VERSION = "#!/bin/sh\necho 'Renode v{}.12345'\n"

Member = tuple[str, bytes, int]


def an_archive(members: list[Member | tarfile.TarInfo]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size, info.mode = len(member[1]), member[2]
            archive.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def a_link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = kind, target
    return link


GOOD = an_archive(
    [
        (f"{TOP}/renode", A_VERSION.format(TESTED_VERSION).encode(), 0o755),
        (f"{TOP}/platforms/a.repl", b"cpu", 0o644),
        a_link(f"{TOP}/latest", "platforms/a.repl"),
    ]
)


def a_release(content: bytes, base_url: str = "http://localhost:1") -> Release:
    return Release(TESTED_VERSION, "renode.tar.gz", hashlib.sha256(content).hexdigest(), base_url)


def a_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return path


def accept(program: Path) -> None:
    assert program.name == "renode"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "renode.tar.gz"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Renode; the folder holds its cache and its PATH."""
    monkeypatch.delenv("RENODE", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path


class Answers(http.server.BaseHTTPRequestHandler):
    """Serves what `content` says for a path; `short` paths break off in the middle."""

    content: dict[str, bytes]

    def do_GET(self) -> None:
        if self.path not in self.content:
            self.send_error(404)
            return
        body = self.content[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path.startswith("/short") else body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    handler = type(
        "Handler", (Answers,), {"content": {f"{at}/v{TESTED_VERSION}/renode.tar.gz": GOOD for at in ("", "/short")}}
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


# Finding -----------------------------------------------------------------------------------------------------------


def test_the_variable_goes_before_path_and_path_before_the_cache(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_renode() is None
    cached = a_program(installed_command(), A_VERSION.format("1.16.1"))
    on_path = bare / "bin" / "renode"
    named = a_program(bare / "own" / "renode", A_VERSION.format("1.16.1"))
    for command, found_by in ((cached, "cache"), (on_path, "PATH"), (named, "RENODE")):
        if command == on_path:
            a_program(on_path, A_VERSION.format("1.16.1"))
        if command == named:
            monkeypatch.setenv("RENODE", str(named))
        found = find_renode()
        assert found is not None
        assert (found.command, found.version, found.found_by, found.warning) == (command, "1.16.1", found_by, None)


@pytest.mark.parametrize("version", ["1.15.3", "1.17.0"])
def test_another_version_is_used_with_a_warning_that_names_the_tested_one(bare: Path, version: str) -> None:
    a_program(bare / "bin" / "renode", A_VERSION.format(version))
    renode = require_renode()
    assert renode.version == version
    assert renode.warning is not None
    assert f"Renode {version}; the harness was tested with {TESTED_VERSION}" in renode.warning


def test_no_renode_at_all_is_one_line_with_the_command_that_installs_it(bare: Path) -> None:
    with pytest.raises(MissingToolError, match="run 'harness renode install'"):
        require_renode()


@pytest.mark.parametrize(
    "command",
    [
        ["run", str(ROOT / "scenarios" / "quickstart.yaml"), "--engine", "renode"],
        ["profile", "firmware.elf", "--platform", "nrf52840", "--engine", "renode"],
    ],
    ids=["run", "profile"],
)
def test_commands_that_ask_for_renode_end_before_any_work_where_there_is_none(bare: Path, command: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "harness", *command], cwd=bare, capture_output=True, text=True, check=False
    )
    assert result.returncode == MissingToolError("").exit_status
    assert result.stderr.splitlines() == [
        f"Renode is not here, neither in RENODE nor on PATH nor in the cache: {HOW_TO_GET}"
    ]
    assert not result.stdout
    assert not list(bare.rglob("*.html"))


def test_a_variable_that_names_no_program_is_bad_input(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENODE", str(bare / "nothing"))
    with pytest.raises(InputError, match=r"RENODE: .*nothing' is no program"):
        find_renode()


@pytest.mark.parametrize("text", ["#!/bin/sh\necho 'no such option' >&2\nexit 1\n", "#!/no/such/shell\n"])
def test_a_program_that_does_not_start_is_not_taken_for_renode(tmp_path: Path, text: str) -> None:
    with pytest.raises(MissingToolError, match=r"no such option|No such file"):
        program_version(a_program(tmp_path / "renode", text))


# The release -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "linux-portable"), ("aarch64", "linux-arm64-portable")])
def test_each_architecture_has_its_own_file_and_hash(machine: str, name: str) -> None:
    release = release_for("Linux", machine)
    assert release.url.endswith(f"/v1.16.1/renode-1.16.1.{name}-dotnet.tar.gz")
    assert len(bytes.fromhex(release.sha256)) == 32


@pytest.mark.parametrize("host", [("Linux", "riscv64"), ("Darwin", "x86_64")])
def test_a_host_without_a_release_is_told_which_have_one(host: tuple[str, str]) -> None:
    with pytest.raises(MissingToolError, match=rf"{' '.join(host)}.*Linux x86_64, Linux aarch64.*RENODE"):
        release_for(*host)


def test_a_release_is_downloaded_and_reported_on_the_way(server: str, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    fetch(a_release(GOOD, server), tmp_path / "file", lambda come, expected: reports.append((come, expected)))
    check(a_release(GOOD), tmp_path / "file")
    assert reports[-1] == (len(GOOD), len(GOOD))


@pytest.mark.parametrize(("below", "reason"), [("/short", "broke off after \\d+ of"), ("/none", "Not Found")])
def test_a_download_that_fails_says_what_to_download_and_where_it_goes(
    server: str, tmp_path: Path, below: str, reason: str
) -> None:
    release = a_release(GOOD, f"{server}{below}")
    with pytest.raises(MissingToolError, match=reason) as raised:
        fetch(release, tmp_path / "file", lambda come, expected: None)
    (line,) = str(raised.value).splitlines()
    assert release.url in line
    assert "harness renode install --from renode.tar.gz" in line


def test_without_a_network_the_message_is_the_same() -> None:
    with pytest.raises(MissingToolError, match=r"Connection refused.*renode install --from"):
        fetch(a_release(GOOD), Path("/dev/null"), lambda come, expected: None)


# Unpacking ---------------------------------------------------------------------------------------------------------


def test_a_release_is_unpacked_without_its_top_folder_with_modes_and_links(
    file: Callable[[bytes], Path], tmp_path: Path
) -> None:
    seen: list[Path] = []
    target = tmp_path / "cache" / "1.16.1"
    install(a_release(GOOD), file(GOOD), target, seen.append)
    assert program_version(target / "renode") == "1.16.1"
    assert (target / "latest").read_bytes() == b"cpu"
    assert not os.access(target / "platforms" / "a.repl", os.X_OK)
    assert [path.name for path in target.parent.iterdir()] == ["1.16.1"]
    assert seen[0].parent.parent.parent == target.parent


def test_a_second_installation_replaces_the_first_whole(file: Callable[[bytes], Path], tmp_path: Path) -> None:
    target = tmp_path / "cache" / "1.16.1"
    (target / "left").mkdir(parents=True)
    install(a_release(GOOD), file(GOOD), target, accept)
    assert sorted(path.name for path in target.iterdir()) == ["latest", "platforms", "renode"]


def test_another_file_is_refused_by_its_hash(file: Callable[[bytes], Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"SHA-256 is .*, expected .* of renode\.tar\.gz"):
        install(a_release(GOOD), file(GOOD + b"more"), tmp_path / "cache" / "1.16.1", accept)
    assert not (tmp_path / "cache").exists()


def refuse(program: Path) -> None:
    raise EngineError("it ran the firmware wrongly")


@pytest.mark.parametrize(
    ("content", "verify_with", "message"),
    [
        (GOOD[: len(GOOD) // 2], accept, "cannot be read as .tar.gz"),
        (b"no archive", accept, "cannot be read as .tar.gz"),
        (an_archive([(f"{TOP}/readme", b"", 0o644)]), accept, "has no program 'renode'"),
        (an_archive([(f"{TOP}/renode", b"", 0o644)]), accept, "has no program 'renode'"),
        (GOOD, refuse, "it ran the firmware wrongly"),
    ],
)
def test_a_release_that_cannot_be_used_leaves_the_old_one_as_it_was(
    file: Callable[[bytes], Path], tmp_path: Path, content: bytes, verify_with: Callable[[Path], None], message: str
) -> None:
    target = tmp_path / "cache" / "1.16.1"
    (target / "old").mkdir(parents=True)
    with pytest.raises((InputError, EngineError), match=message):
        install(a_release(content), file(content), target, verify_with)
    assert [path.relative_to(target.parent).as_posix() for path in target.parent.rglob("*")] == ["1.16.1", "1.16.1/old"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([(f"{TOP}/../../outside", b"x", 0o644)], "leads outside"),
        ([("/outside", b"x", 0o644)], "leads outside"),
        ([a_link(f"{TOP}/link", "../../outside")], "leads outside"),
        ([a_link(f"{TOP}/link", "/outside")], "leads outside"),
        ([a_link(f"{TOP}/a/link", "../inside"), (f"{TOP}/a/link/file", b"x", 0o644)], "through a link"),
        ([a_link(f"{TOP}/link", "inside"), (f"{TOP}/link", b"x", 0o644)], "through a link"),
        ([a_link(f"{TOP}/link", f"{TOP}/other", tarfile.LNKTYPE)], "neither a file"),
        ([a_link(f"{TOP}/pipe", "", tarfile.FIFOTYPE)], "neither a file"),
    ],
)
def test_a_member_that_would_leave_the_folder_is_refused(
    file: Callable[[bytes], Path], tmp_path: Path, members: list[Member | tarfile.TarInfo], message: str
) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(InputError, match=message):
        unpack(file(an_archive(members)), tmp_path / "folder")
    assert not [path for path in tmp_path.rglob("outside*") if path.is_file()]
    assert not list((tmp_path / "folder" / "inside").iterdir())


# The tiny firmware -------------------------------------------------------------------------------------------------


def test_the_tiny_firmware_adds_the_numbers_to_a_hundred_on_the_default_engine_too() -> None:
    from unicorn import UC_ARCH_ARM, UC_MODE_THUMB, Uc

    emulator = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
    emulator.mem_map(0, 0x1000)
    emulator.mem_write(0, FIRMWARE)
    emulator.emu_start(int.from_bytes(FIRMWARE[4:8], "little"), len(FIRMWARE) - 2)
    assert int.from_bytes(emulator.mem_read(0x200, 4), "little") == 5050


@pytest.mark.parametrize("said", ["0x00000000", "Aborted", ""])
def test_a_renode_that_runs_the_tiny_firmware_wrongly_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(EngineError, match="did not run a tiny firmware rightly, expected 0x000013BA"):
        verify(a_program(tmp_path / "renode", f"#!/bin/sh\necho '{said}'\n"))


def test_the_answer_is_found_among_what_the_monitor_prints(tmp_path: Path) -> None:
    verify(
        a_program(tmp_path / "renode", "#!/bin/sh\nprintf '12:00 [INFO] 0x00000001 x\\r\\n0x000013BA\\r\\n\\r\\n'\n")
    )


# The command -------------------------------------------------------------------------------------------------------


def command_line(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **changes},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_says_in_one_line_what_to_do_without_a_network(bare: Path) -> None:
    closed = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:1")
    result = command_line("renode", "install", no_proxy="", NO_PROXY="", **closed)
    assert result.returncode == 3
    (line,) = result.stderr.splitlines()
    assert release_for().url in line
    assert f"harness renode install --from {release_for().file_name}" in line
    assert not installed_command().exists()


def test_the_command_refuses_a_file_that_is_not_the_release(bare: Path) -> None:
    (bare / "own.tar.gz").write_bytes(GOOD)
    result = command_line("renode", "install", "--from", str(bare / "own.tar.gz"))
    assert result.returncode == 2
    assert "SHA-256 is" in result.stderr
    assert command_line("renode", "install", "--from", str(bare / "none")).returncode == 2


def test_doctor_says_which_renode_was_found_and_by_what(bare: Path) -> None:
    a_program(bare / "bin" / "renode", A_VERSION.format(TESTED_VERSION))
    (row,) = [line for line in command_line("doctor").stdout.splitlines() if line.startswith("renode")]
    assert row.split("  ")[0] == "renode (by PATH)"
    assert f"{TESTED_VERSION}" in row
    assert command_line("renode", "where").stdout.endswith(f"Renode {TESTED_VERSION}, found by PATH\n")


def test_doctor_takes_a_renode_that_does_not_start_for_an_optional_tool_that_is_missing(bare: Path) -> None:
    result = command_line("doctor", RENODE=str(bare / "none"))
    (row,) = [line for line in result.stdout.splitlines() if line.startswith("renode")]
    assert "missing (optional)" in row
    assert "is no program" in row
