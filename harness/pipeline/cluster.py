"""Runs on other machines, through Dask distributed: no shared file system, entries of the cache travel instead.

A run takes along what the cache here has of its steps, and brings back what it made there. An entry goes by the hash
of its inputs and carries the checksum of each file.
"""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.assets import cache_dir, content_hash, write_atomically
from harness.build import sources_hash
from harness.cache import Cache, NotCachedError, code_hash
from harness.cache.parcel import Parcel, pack, unpack
from harness.errors import HarnessError, MissingToolError
from harness.pipeline.observer import Observer, Stage
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.run import Runner, failed_document
from harness.result import Document

_RETRIES = 3
_CONNECT_S = 20.0


@dataclass(frozen=True)
class Errand:
    """One run with the entries that it may take from the cache."""

    prepared: PreparedRun
    parcels: Sequence[Parcel]
    fresh: bool
    maker: str


@dataclass(frozen=True)
class Outcome:
    """What came of a run: its document, the files beside it by their name, and the entries that it made."""

    document: Document
    files: dict[str, bytes]
    parcels: Sequence[Parcel]


class _Teller:
    """An observer that tells `tell` all it learns."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        self._tell = tell

    def stage(self, label: str, stage: Stage) -> None:
        """Tell that a stage begins."""
        self._tell(("stage", label, stage.name))

    def steps(self, label: str, done: int, total: int) -> None:
        """Tell how far a run is."""
        self._tell(("steps", label, done, total))

    def finished(self, document: Document) -> None:
        """Tell nothing: the document is the result."""


class _Nobody:
    """An observer of runs that are only looked up."""

    def stage(self, label: str, stage: Stage) -> None:
        """Ignore it."""

    def steps(self, label: str, done: int, total: int) -> None:
        """Ignore it."""

    def finished(self, document: Document) -> None:
        """Ignore it."""


def do_errand(errand: Errand) -> Outcome:
    """Do a run on a worker of the cluster, with the cache of that machine."""
    from distributed import get_worker

    worker, cache = get_worker(), Cache(cache_dir(), fresh=errand.fresh, maker=errand.maker)
    for parcel in errand.parcels:
        unpack(cache, parcel)
    with tempfile.TemporaryDirectory(prefix="harness-errand-") as temporary:
        folder = Path(temporary)
        teller = _Teller(lambda message: worker.log_event(errand.maker, message))
        document = Runner(teller, folder, cache).run(errand.prepared)
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    known = {(parcel.step, parcel.key) for parcel in errand.parcels}
    made = [pack(entry) for entry in cache.used.values() if (entry.step, entry.folder.name) not in known]
    return Outcome(document, files, made)


def _same_code() -> str:
    return f"{code_hash('.')} {sources_hash()}"


def run_on_cluster(
    prepared: Sequence[PreparedRun],
    observer: Observer,
    folder: Path,
    address: str,
    *,
    fresh: bool = False,
    fail_fast: bool = False,
) -> list[Document]:
    """Run all `prepared` runs on the workers of the Dask scheduler at `address`; return their documents in order.

    Their files go into `folder`, and their steps into the cache here. A run whose worker is lost is given to another,
    up to `_RETRIES` times. Raises MissingToolError without Dask distributed, and HarnessError when no scheduler answers
    or a worker has another version of this code.
    """
    if not prepared:
        return []
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise MissingToolError(
            "Dask distributed is not installed; install it with: pip install 'harness[dask]'"
        ) from None
    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise HarnessError(f"--scheduler {address}: no Dask scheduler answers: {error}") from None
    with client:
        _check_code(client, address)
        maker = uuid.uuid4().hex
        cache = Cache(cache_dir(), fresh=fresh, maker=maker)
        client.subscribe_topic(maker, lambda event: _tell(observer, event[1]))
        futures = {
            client.submit(
                do_errand, Errand(run, _known(run, maker, fresh), fresh, maker), pure=False, retries=_RETRIES
            ): index
            for index, run in enumerate(prepared)
        }
        documents: dict[int, Document] = {}
        failed = ""
        try:
            for future in as_completed(futures):
                run = prepared[futures[future]]
                if failed and future.status != "finished":
                    document = failed_document(run, f"not run to its end, because {failed} failed (--fail-fast)")
                else:
                    document = _document(future, run, folder, cache)
                documents[futures[future]] = document
                observer.finished(document)
                if fail_fast and document.status == "failed" and not failed:
                    failed = document.run.label
                    client.cancel([other for other in futures if not other.done()], force=True)
        finally:
            client.cancel(list(futures), force=True)
    return [documents[index] for index in range(len(prepared))]


def _check_code(client: Any, address: str) -> None:
    versions = client.run(_same_code)
    if not versions:
        raise HarnessError(f"--scheduler {address}: has no workers; start some: dask worker {address}")
    for worker, version in versions.items():
        if version != _same_code():
            raise HarnessError(f"{worker}: has another version of the harness; expected the same code everywhere")


def _known(prepared: PreparedRun, maker: str, fresh: bool) -> list[Parcel]:
    """Return the entries that the cache here has of the first steps of a run, up to one that it has not."""
    cache = Cache(cache_dir(), only_stored=True, fresh=fresh, maker=maker)
    with tempfile.TemporaryDirectory(prefix="harness-errand-") as folder, contextlib.suppress(NotCachedError):
        Runner(_Nobody(), Path(folder), cache).run(prepared)
    return [pack(entry) for entry in cache.used.values()]


def _document(future: Any, prepared: PreparedRun, folder: Path, cache: Cache) -> Document:
    """Return the document of a finished errand, its files and entries stored here."""
    error = future.exception()
    if error is not None:
        return failed_document(prepared, f"the run was lost with its worker, {_RETRIES} times over or more: {error}")
    outcome: Outcome = future.result()
    evidence = outcome.document.evidence
    stored = [evidence.firmware, evidence.trace, evidence.layout, evidence.plan] if evidence else []
    if any(content_hash([outcome.files[one.name]]) != one.content for one in stored):
        return failed_document(prepared, "its files were damaged on their way from the worker")
    for name, content in outcome.files.items():
        write_atomically(folder / name, content)
    for parcel in outcome.parcels:
        unpack(cache, parcel)
    return outcome.document


def _tell(observer: Observer, message: Any) -> None:
    kind, label, *content = message
    if kind == "stage":
        observer.stage(label, Stage[content[0]])
    else:
        observer.steps(label, *content)
