"""The memory layout of a run: its operations in order, and every tensor with its lifetime and place. Stored as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlannedOperation(_Part):
    """One kernel call of a training step; work outside any layer has the layer -1 and an empty name."""

    phase: str
    layer: int
    layer_name: str
    kernel: str


class PlannedTensor(_Part):
    """One block of memory.

    `offset` counts from the start of the arena and is None for a constant in flash. `first` and `last` are indices of
    operations, both inclusive; what survives a step (`place` is `state`) lives in all of them. `layer` is -1 for a
    tensor that belongs to none. `initial` marks a part of the state whose first content is stored in flash.
    """

    name: str
    category: str
    place: Literal["state", "step", "flash"]
    layer: int
    layer_name: str
    offset: int | None
    size_bytes: int
    first: int
    last: int
    initial: bool

    def lives_at(self, index: int) -> bool:
        """Say whether the tensor holds something in RAM while operation `index` runs."""
        return self.place == "state" or (self.place == "step" and self.first <= index <= self.last)


class Layout(_Part):
    """One training step that closes a minibatch, from load to update, with all its memory."""

    arena_bytes: int
    state_bytes: int
    operations: tuple[PlannedOperation, ...]
    tensors: tuple[PlannedTensor, ...]

    def alive_at(self, index: int) -> list[PlannedTensor]:
        """Return the tensors that hold something in RAM while operation `index` runs."""
        return [tensor for tensor in self.tensors if tensor.lives_at(index)]

    def live_bytes(self, index: int) -> dict[str, int]:
        """Return the bytes alive while operation `index` runs, by category."""
        totals: dict[str, int] = {}
        for tensor in self.alive_at(index):
            totals[tensor.category] = totals.get(tensor.category, 0) + tensor.size_bytes
        return totals

    def peak_operation(self) -> int:
        """Return the index of the first operation at which the most memory is alive."""
        return max(range(len(self.operations)), key=lambda index: sum(self.live_bytes(index).values()))
