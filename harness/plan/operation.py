"""One operation of a training plan: a kernel with its tensors and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.plan.tensor import Tensor

Phase = Literal["load", "forward", "loss", "select", "backward", "update"]

NO_LAYER = -1


@dataclass(eq=False)
class Operation:
    """A kernel call on the C struct `params`; `reads` and `writes` give lifetimes.

    `result_member` names the member of the struct that holds what is computed, for calibration. What `settles` runs
    once a minibatch, before the updates.
    """

    kernel: str
    phase: Phase
    layer: int
    params: str
    result_member: str = ""
    reads: list[Tensor] = field(default_factory=list)
    writes: list[Tensor] = field(default_factory=list)
    scratch: list[Tensor] = field(default_factory=list)
    settles: bool = False

    @property
    def result(self) -> Tensor | None:
        """Return the tensor the operation computes, None when it only changes the state."""
        return self.writes[0] if self.writes else None
