"""One stored run, opened again: its firmware, trace, memory layout and cycles."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from harness.build import Image, SourceLine, sources_hash
from harness.build.source_map import Origin, SourceMap
from harness.cost import BoardMemory, Cycles, price
from harness.errors import InputError, nearest
from harness.explanation.stack import DeepStack, deep_stacks
from harness.platform import Platform, load_platform
from harness.result import Document
from harness.result.evidence import evidence_of, read_layout, stored_path
from harness.result.firmware_sources import current_sources, read_sources
from harness.result.layout import Layout
from harness.trace import STEP_PHASES, Trace

_PLAN = "plan.c"
_IMAGES_OPEN = 8


def select_run(folder: Path, documents: Sequence[Document], wanted: str | None) -> Document:
    """Return the run that `wanted` names: its id, its label, or words of the label that no other run has all of.

    Without `wanted` there must be one run only. Raises InputError with the nearest choice.
    """
    labels = [document.run.label or document.run.id for document in documents]
    if wanted is None:
        if len(documents) == 1:
            return documents[0]
        raise InputError(f"{folder}: expected the name of one of its {len(labels)} runs: {', '.join(labels)}")
    for document, label in zip(documents, labels, strict=True):
        if wanted in (document.run.id, label):
            return document
    words = set(_words(wanted))
    found = [index for index, label in enumerate(labels) if words and words <= set(_words(label))]
    if len(found) == 1:
        return documents[found[0]]
    if found:
        raise InputError(f"{folder}: '{wanted}' may be any of {', '.join(labels[index] for index in found)}")
    raise InputError(f"{folder}: no run '{wanted}'; {nearest(wanted, labels)}")


def _words(label: str) -> list[str]:
    return [word for word in re.split(r"[\s,\[\]]+", label) if word]


@lru_cache(maxsize=_IMAGES_OPEN)
def _open(path: Path, content: str) -> tuple[Image, SourceMap]:
    """Return a firmware, read once: runs of a suite share it, and its debugging information takes long to read."""
    image = Image(path)
    return image, SourceMap(image)


@dataclass(frozen=True)
class StoredRun:
    """A run with what it left behind. Properties are read or computed at their first use."""

    document: Document
    folder: Path

    def __post_init__(self) -> None:
        """Raise InputError when the run left nothing to explain."""
        evidence_of(self.document, self.folder)

    @property
    def label(self) -> str:
        """Return what the run is called."""
        return self.document.run.label or self.document.run.id

    @property
    def steps(self) -> int:
        """Return the training steps that the trace holds, each as often as it counts."""
        assert self.document.agreement is not None
        if self.document.sampling is not None:
            return self.document.sampling.weighted_steps
        return self.document.agreement.steps_emulated

    @cached_property
    def image(self) -> Image:
        """Return the firmware as it ran."""
        return self._opened[0]

    @property
    def _opened(self) -> tuple[Image, SourceMap]:
        return _open(self._path("firmware"), evidence_of(self.document, self.folder).firmware.content)

    @cached_property
    def trace(self) -> Trace:
        """Return what was counted, without the records of the training state.

        Raises InputError when it cannot be read, or has no counts by address.
        """
        path = self._path("trace")
        try:
            trace = Trace.load(path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as problem:
            raise InputError(f"{path}: no trace of this version of harness: {problem}; run it again") from problem
        if trace.classes:
            raise InputError(
                f"{path}: {self.label} was counted by class of instruction, not by address; "
                "expected a run with engine.fidelity: profile"
            )
        return trace

    @cached_property
    def layout(self) -> Layout:
        """Return operations and tensors."""
        return read_layout(self.folder, evidence_of(self.document, self.folder).layout)

    @cached_property
    def platform(self) -> Platform:
        """Return the board of the run, as it is described now."""
        return load_platform(str(self.document.settings["platform"]))

    @cached_property
    def cycles(self) -> Cycles:
        """Return the estimated cycles of the trace, by the model of this version of harness."""
        return price(self.trace, self.image, self.platform, BoardMemory())

    @property
    def model_changed(self) -> bool:
        """Say whether the results of the run have other cycles, because the model was another one then."""
        assert self.document.estimates is not None
        told = self.document.estimates.cycles_per_step
        in_step = [context.phase in STEP_PHASES for context in self.trace.contexts]
        now = float(self.cycles.by_address[:, in_step].sum()) / self.steps
        return self.cycles.model != told.model or not math.isclose(now, told.value, rel_tol=1e-9)

    @cached_property
    def origins(self) -> list[Origin]:
        """Return where each executed instruction comes from, in the order of the trace."""
        return self._opened[1].origins(self.trace.addresses.tolist())

    @cached_property
    def stacks(self) -> list[DeepStack]:
        """Return the deepest stack of each context, in the order of the trace."""
        return deep_stacks(self.trace, self.image)

    @cached_property
    def layer_names(self) -> dict[int, str]:
        """Return the name of every layer that does something in a step."""
        assert self.document.counts is not None
        return {part.layer: part.layer_name for part in self.document.counts.by_layer if part.layer_name}

    def layer_name(self, layer: int) -> str:
        """Return the name of a layer for tables: `2 conv2d`, and `no layer` outside any."""
        return self.layer_names.get(layer, "no layer" if layer < 0 else str(layer))

    @cached_property
    def sources(self) -> dict[str, str] | None:
        """Return the text of each source of the firmware as it was built, by its path, without plan.c.

        None when they were not kept with the results and are not those of this checkout any more.
        """
        content = evidence_of(self.document, self.folder).sources
        found = read_sources(self.folder, content)
        if found is None and content == sources_hash():
            found = {name: data.decode(errors="replace") for name, data in current_sources().items()}
        return found

    def text(self, line: SourceLine) -> str:
        """Return the text of a source line; empty when it is none of the project, or its sources are gone."""
        lines = self._source(line.file)
        return lines[line.number - 1].strip() if 0 < line.number <= len(lines) else ""

    def source_text(self, file: str) -> str:
        """Return the text of a source as it was built; empty when it is none of the project, or gone."""
        if file == _PLAN:
            return self._path("plan").read_text(errors="replace")
        return (self.sources or {}).get(file, "")

    def _source(self, file: str) -> list[str]:
        if file not in self._split:
            self._split[file] = self.source_text(file).splitlines()
        return self._split[file]

    @cached_property
    def _split(self) -> dict[str, list[str]]:
        return {}

    def _path(self, what: str) -> Path:
        file: Any = getattr(evidence_of(self.document, self.folder), what)
        return stored_path(self.folder, file)
