"""The results of a suite on one side of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError
from harness.result import Document, read_results


@dataclass(frozen=True)
class ResultSet:
    """Documents, the folder that their evidence lies in, and what the user calls them."""

    name: str
    folder: Path
    documents: tuple[Document, ...]

    @property
    def commit(self) -> str | None:
        """Return the commit that all runs were made at; None when it is not known or they differ."""
        found = {document.provenance.git_commit for document in self.documents}
        return found.pop() if len(found) == 1 else None

    @property
    def dirty(self) -> bool:
        """Say whether files differed from the commit in some run."""
        return any(document.provenance.git_dirty for document in self.documents)

    @property
    def date(self) -> str:
        """Return when the last run ended, to the minute."""
        return f"{max(document.provenance.created for document in self.documents):%Y-%m-%d %H:%M} UTC"


def read_result_set(path: Path) -> ResultSet:
    """Return the results in an output folder or a results.json.

    Raises InputError when there are none, or two runs of one name that cannot be told apart.
    """
    documents = read_results(path)
    if not documents:
        raise InputError(f"{path}: holds no run; expected results of harness run")
    seen: set[str] = set()
    for document in documents:
        if document.run.id in seen:
            raise InputError(f"{path}: holds the run {document.run.label} ({document.run.id}) twice; expected it once")
        seen.add(document.run.id)
    return ResultSet(str(path), path if path.is_dir() else path.parent, tuple(documents))


Pair = tuple[Document | None, Document | None]


def matched(before: Sequence[Document], after: Sequence[Document]) -> list[Pair]:
    """Return which run of `before` each run of `after` is to be held against, in the order of `after`.

    Runs of the same settings (`id`) belong together; of the others, those of the same scenario and label, when both are
    the only ones. Then come the runs of `before` that are gone.
    """
    by_id = {document.run.id: document for document in before}
    partners: dict[str, Document] = {}
    for document in after:
        if document.run.id in by_id:
            partners[document.run.id] = by_id.pop(document.run.id)
    left = _by_name(by_id.values())
    alone = _by_name(document for document in after if document.run.id not in partners)
    for name, group in alone.items():
        if len(group) == 1 and len(left.get(name, ())) == 1:
            partners[group[0].run.id] = left.pop(name)[0]
    taken = {document.run.id for document in partners.values()}
    pairs: list[Pair] = [(partners.get(document.run.id), document) for document in after]
    return pairs + [(document, None) for document in before if document.run.id not in taken]


def _by_name(documents: Iterable[Document]) -> dict[tuple[str, str], list[Document]]:
    groups: dict[tuple[str, str], list[Document]] = {}
    for document in documents:
        groups.setdefault((document.run.scenario, document.run.label), []).append(document)
    return groups
