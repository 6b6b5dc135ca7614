"""One Renode process that runs one job after the other, and ends with this process whatever happens."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.assets import asset_dir
from harness.engine.renode.installation import Renode, renode_environment
from harness.errors import EngineError

HOOKS = ("block_counter.cs", "session.cs")
LOG, SCRIPT = "renode.log", "run.resc"
"""What the folder of a run holds: Renode's log, and the script that makes the machine."""

_START_S = 180.0
_ANSWER_S = 120.0
_CONNECT_PERIOD_S = 0.5
_HEADER = struct.Struct("<cI")
_END = struct.Struct("<8I16IQQd")
_LAST_LINES = 15

# Renode asks the kernel to end it with the thread that started it, so one that lives as long as we do starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="renode-start")


@dataclass(frozen=True)
class End:
    """How a run ended: why and where (see `Stop` in counts.py), and the registers r0 to r15 then.

    `late` tells that the time was over first. `instructions` is Renode's own count.
    """

    stop: int
    late: bool
    pc: int
    address: int
    detail: int
    context: int
    previous_slot: int
    region_calls: int
    registers: tuple[int, ...]
    instructions: int
    steps: int
    wall_seconds: float


class Session:
    """A running Renode that listens to this process only."""

    def __init__(self, renode: Renode) -> None:
        """Start Renode, which takes some seconds.

        Raises EngineError when it does not come up, with the end of what it said.
        """
        self.renode = renode
        self.folder = Path(tempfile.mkdtemp(prefix="harness-renode-"))
        self._said = self.folder / "output"
        self._buffer = bytearray()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        address = self.folder / "socket"
        script = self.folder / "serve.resc"
        hooks = asset_dir("renode") / "hooks"
        lines = [*(f"include @{escaped(hooks / name)}" for name in HOOKS), f'emulation ServeHarness "{address}"']
        script.write_text("\n".join(lines) + "\n", "utf-8")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(address))
            listener.listen(1)
            listener.settimeout(_CONNECT_PERIOD_S)
            self.process = _starter.submit(self._spawn, script).result()
            self._connection = self._accept(listener)

    def _spawn(self, script: Path) -> subprocess.Popen[bytes]:
        options = ["--disable-xwt", "--console", "--plain", "--hide-log", "--config", str(self.folder / "config")]
        with self._said.open("wb") as said:
            return subprocess.Popen(
                [self.renode.command, *options, script],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**renode_environment(), "TMPDIR": str(self.folder)},
                cwd=self.folder,
                start_new_session=True,
            )

    def _accept(self, listener: socket.socket) -> socket.socket:
        deadline = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                return connection
            if self.process.poll() is not None or self._refused():
                raise EngineError(f"{self.renode.command}: did not come up; it said:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise EngineError(f"{self.renode.command}: did not come up within {_START_S:g} s")

    def _refused(self) -> bool:
        """Say whether the script failed: Renode then waits for input."""
        return "rror" in self.last_words()

    def last_words(self) -> str:
        """Return the last lines that Renode wrote to its console."""
        if not self._said.exists():
            return ""
        lines = self._said.read_text("utf-8", errors="replace").replace("\r", "").strip().splitlines()
        return "\n".join(lines[-_LAST_LINES:])

    # Talking --------------------------------------------------------------------------------------------------------

    def monitor(self, command: str) -> str:
        """Execute a command of Renode's monitor and return what it printed.

        Raises EngineError when Renode refuses it, or is gone.
        """
        return self._ask(f"monitor {command}").get(b"O", b"").decode("utf-8", errors="replace")

    def count(self, settings: Path, cpu: str, uart: str | None) -> None:
        """Count what `cpu` executes, as the file `settings` says (see counts.py), and listen to `uart`."""
        self._ask(f"count {settings} {cpu} {uart or '-'}")

    def memory(self, address: int, size_bytes: int) -> bytes:
        """Return the content of memory."""
        return self._ask(f"memory {address} {size_bytes}")[b"M"]

    def dump(self) -> bytes:
        """Return all counts, as counts.py reads them."""
        return self._ask("dump")[b"C"]

    def clear(self) -> None:
        """Forget the machine, so that another one can be made."""
        self._ask("clear")

    def run(self, timeout_s: float, on_bytes: Callable[[bytes], None], on_steps: Callable[[int], None]) -> End:
        """Run the machine to the end of its firmware; tell what the UART sent and how many steps are done.

        What `on_bytes` or `on_steps` raises ends the run and is raised.
        """
        raised: list[BaseException] = []

        def note(kind: bytes, payload: bytes) -> None:
            if raised:
                return
            try:
                if kind == b"U":
                    on_bytes(payload)
                elif kind == b"P":
                    on_steps(int.from_bytes(payload, "little"))
            except BaseException as problem:
                raised.append(problem)
                self._connection.sendall(b"stop\n")

        answer = self._ask(f"run {timeout_s:.3f}", timeout_s + _ANSWER_S, note)
        if raised:
            raise raised[0]
        values = _END.unpack(answer[b"S"])
        return End(
            stop=values[0],
            late=bool(values[1]),
            pc=values[2],
            address=values[3],
            detail=values[4],
            context=values[5],
            previous_slot=values[6],
            region_calls=values[7],
            registers=values[8:24],
            instructions=values[24],
            steps=values[25],
            wall_seconds=values[26],
        )

    def _ask(
        self, line: str, timeout_s: float = _ANSWER_S, note: Callable[[bytes, bytes], None] | None = None
    ) -> dict[bytes, bytes]:
        deadline = time.monotonic() + timeout_s
        answer: dict[bytes, bytes] = {}
        try:
            self._connection.sendall(line.encode() + b"\n")
            while True:
                kind, payload = self._receive(deadline)
                if kind == b"D":
                    break
                answer[kind] = payload
                if note is not None:
                    note(kind, payload)
        except TimeoutError:
            raise EngineError(f"timeout: Renode did not answer '{line.split()[0]}' within {timeout_s:g} s") from None
        except (ConnectionError, OSError) as problem:
            raise EngineError(f"Renode ended without a result: {self._death()}") from problem
        if b"E" in answer:
            raise EngineError(f"Renode refused '{line}': {answer[b'E'].decode('utf-8', errors='replace').strip()}")
        return answer

    def _receive(self, deadline: float) -> tuple[bytes, bytes]:
        kind, size = _HEADER.unpack(self._take(_HEADER.size, deadline))
        return kind, self._take(size, deadline)

    def _take(self, size: int, deadline: float) -> bytes:
        while len(self._buffer) < size:
            self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = self._connection.recv(1 << 20)
            if not piece:
                raise ConnectionResetError
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _death(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self.process.wait(timeout=5)
            return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return "it closed the connection"

    # Ending ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End Renode with all that it started, and remove its folder."""
        process = getattr(self, "process", None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def escaped(path: Path) -> str:
    """Return `path` as the monitor takes it behind an `@`."""
    return str(path).replace(" ", "\\ ")
