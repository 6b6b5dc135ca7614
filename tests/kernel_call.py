"""Parameters of kernels, made from arrays: what every kernel test needs to say in the words of the C structs."""

from __future__ import annotations

from typing import Any

import numpy as np
from kernel_machine import Machine
from reference.affine import Quant

NOTHING: dict[str, Any] = {"data": 0, "quant": 0, "elements": 0}

DEFAULTS: dict[str, dict[str, Any]] = {
    "step": {
        "training": True, "closes_minibatch": True, "backward_ends": False, "label": 0, "loss": 0.0, "correct": False,
        "policy": 0, "ratio_form": 0, "optimizer": 0, "rounding": 0, "batch_size": 1, "trained_layers": 1,
        "learning_rate": 0.0, "min_ratio": 1.0, "max_ratio": 1.0, "momentum": 0.0, "range_smoothing": 0.0,
        "weight_smoothing": 1.0, "weight_slack": 0.0,
    },
    "burst": {"room": 0, "held": 0, "inputs": 0, "errors": 0},
    "structures": {
        "velocity": 0, "bias_velocity": 0, "layers_behind": 0, "bearers": 0, "directions": 0, "gradient_bytes": 4,
        "exponents": 0,
    },
}  # fmt: skip
"""Members that a test need not give, by struct."""


class Placed:
    """An array in the memory of a machine; `value` reads it back."""

    def __init__(self, call: Call, array: np.ndarray) -> None:
        self._call, self._like = call, array
        self.address = call.memory.place(np.ascontiguousarray(array).tobytes())

    @property
    def value(self) -> np.ndarray:
        data = self._call.memory.read(self.address, self._like.nbytes)
        return np.frombuffer(data, dtype=self._like.dtype).reshape(self._like.shape)


class PlacedStruct:
    """A C struct in the memory of a machine; `value` reads it back."""

    def __init__(self, call: Call, name: str, values: dict[str, Any]) -> None:
        self._call, self._name = call, name
        self.address = call.memory.place(call.machine.layouts.pack(name, values))

    @property
    def value(self) -> dict[str, Any]:
        layouts = self._call.machine.layouts
        return layouts.unpack(self._name, self._call.memory.read(self.address, layouts.size(self._name)))


class Call:
    """One call of a kernel: place its parameters, run it, look at what it left."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.memory = machine.memory()

    def array(self, array: np.ndarray) -> Placed:
        return Placed(self, array)

    def struct(self, name: str, **values: Any) -> PlacedStruct:
        return PlacedStruct(self, name, {**DEFAULTS.get(name, {}), **values})

    def quant(self, quant: Quant) -> PlacedStruct:
        return self.struct("quant", **{name: getattr(quant, name) for name in vars(quant)})

    def tensor(self, data: Placed | None, quant: PlacedStruct | None = None) -> dict[str, Any]:
        """Return the members of struct tensor."""
        if data is None:
            return NOTHING
        return {"data": data.address, "quant": quant.address if quant else 0, "elements": data.value.size}

    def run(
        self, function: str, params: PlacedStruct, *, random: int = 1, loss_max: float = 0.0, **step: Any
    ) -> dict[str, Any]:
        """Call `function` and return the members of struct step afterwards; `shared` has those of struct shared."""
        shared = self.struct(
            "shared", random=random, loss_max=loss_max, epoch_correct=0, epoch_selected=0, epoch_loss=0.0
        )
        placed = self.struct("step", **{"shared": shared.address, **step})
        self.memory.call(function, params.address, placed.address)
        return {**placed.value, "shared": shared.value}
