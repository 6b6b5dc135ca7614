"""Tensors of a training plan and the storage they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ElementType = Literal[
    "uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "quant", "selection", "shared", "direction"
]

ELEMENT_BYTES: dict[ElementType, int] = {
    "uint8": 1,
    "int8": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "float32": 4,
    "quant": 28,  # struct quant in firmware/trainer/plan.h
    "selection": 12,  # struct selection, likewise
    "shared": 20,  # struct shared, likewise
    "direction": 12,  # struct direction, likewise
}

CATEGORIES = ("weights", "gradients", "optimizer", "activations", "errors", "quantization", "selection", "scratch")
"""What an arena byte is used for. An error that lies in place of an activation is counted as activation."""

Category = Literal["weights", "gradients", "optimizer", "activations", "errors", "quantization", "selection", "scratch"]

GradientBits = Literal[8, 16, 32]
"""Size of an accumulator of the gradient of uint8 weights."""

Place = Literal["state", "step", "flash"]

ALIGNMENT_BYTES = 4


@dataclass(eq=False)
class Tensor:
    """A block of memory with a lifetime.

    `first` and `last` are indices into the operations of one training step, both inclusive: the operation that writes
    it first and the one that reads it last. `place` says where it lies: `state` tensors survive a step, `step` tensors
    live from `first` to `last`, `flash` tensors are constants. `inside` names the tensor whose storage it shares.
    """

    name: str
    element_type: ElementType
    elements: int
    category: Category
    place: Place = "step"
    first: int = -1
    last: int = -1
    inside: Tensor | None = None
    quant: Tensor | None = None

    @property
    def size_bytes(self) -> int:
        """Return the size without padding."""
        return self.elements * ELEMENT_BYTES[self.element_type]

    @property
    def padded_bytes(self) -> int:
        """Return the size rounded up to the alignment of the arena."""
        return -(-self.size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES

    @property
    def storage(self) -> Tensor:
        """Return the tensor that owns the memory."""
        return self.inside.storage if self.inside else self

    def used_at(self, index: int) -> None:
        """Extend the lifetime of the storage to operation `index`."""
        owner = self.storage
        owner.first = index if owner.first < 0 else min(owner.first, index)
        owner.last = max(owner.last, index)
