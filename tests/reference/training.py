"""Whole training steps of a fully quantized network: what state and records must be after any number of them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reference import layers
from reference.affine import ZERO, F, Quant, requantize, saturated
from reference.generator import Generator
from reference.loss import Loss, softmax_cross_entropy
from reference.selection import Policy, select_u8
from reference.update import Descent, change_bias_unit, update_bias, update_weights

Range = tuple[float, float]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """One layer: conv2d, dense, max_pool2d or flatten. Window, stride and padding are (down, across)."""

    kind: str
    relu: bool = False
    window: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)


@dataclass
class Parameters:
    """Weights of one layer; gradients and selection of a trained one."""

    weights: np.ndarray  # uint8 (structures, ...)
    quant: Quant
    bias: np.ndarray  # int32 (structures,)
    bias_unit: np.float32
    trained: bool
    gradient: np.ndarray = field(init=False)
    bias_gradient: np.ndarray = field(init=False)
    touched: np.ndarray = field(init=False)
    velocity: np.ndarray = field(init=False)
    bias_velocity: np.ndarray = field(init=False)
    error_max: np.float32 = ZERO
    selected: int = 0

    def __post_init__(self) -> None:
        self.forget_gradients()
        self.velocity = np.zeros(self.weights.shape, dtype=np.float32)
        self.bias_velocity = np.zeros(len(self.bias), dtype=np.float32)

    def forget_gradients(self) -> None:
        self.gradient = np.zeros(self.weights.shape, dtype=np.int32)
        self.bias_gradient = np.zeros(len(self.bias), dtype=np.int32)
        self.touched = np.zeros(len(self.bias), dtype=np.uint8)


@dataclass
class Settings:
    """Hyper-parameters; `smoothing` is that of the tracked ranges, `seed` that of all random numbers."""

    policy: Policy
    descent: Descent
    smoothing: np.float32
    seed: int = 1


def bits(value: np.float32) -> int:
    return int(F(value).view(np.uint32))


def checksum(state: bytes) -> int:
    """FNV-1a, 32 bits."""
    value = 2166136261
    for byte in state:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


class QuantizedTraining:
    """A network in training.

    `specs` are the layers, `shapes` the shapes between them, `weights` the float32
    (weights, bias) of each layer or None, `ranges` the calibrated ranges by name: `output3` is what layer 3 gives,
    `error_of_output3` its error. The last `trained_layers` layers with weights are trained.
    """

    def __init__(
        self,
        specs: Sequence[Layer],
        shapes: Sequence[tuple[int, ...]],
        weights: Sequence[tuple[np.ndarray, np.ndarray] | None],
        input_range: Range,
        ranges: Mapping[str, Range],
        trained_layers: int,
        settings: Settings,
        *,
        tracked_activations: bool,
        tracked_errors: bool,
    ) -> None:
        self.specs, self.shapes, self.settings = specs, shapes, settings
        self.first = [i for i, drawn in enumerate(weights) if drawn is not None][-trained_layers]
        self.generator = Generator(settings.seed)
        self.loss_max = ZERO
        self.quants: dict[str, Quant] = {}
        self.activation_quants = self._activation_quants(input_range, ranges, tracked_activations)
        self.error_quants = self._error_quants(ranges, tracked_errors)
        self.parameters: dict[int, Parameters] = {}
        for i, drawn in enumerate(weights):
            if drawn is not None:
                self.parameters[i] = self._deployed(i, *drawn)

    def _activation_quants(self, input_range: Range, ranges: Mapping[str, Range], tracked: bool) -> list[Quant]:
        quants = [Quant.covering(*input_range)]
        for i, spec in enumerate(self.specs, start=1):
            if spec.kind in ("max_pool2d", "flatten"):
                quants.append(quants[-1])
                continue
            follows = tracked and i > self.first
            quants.append(Quant.covering(*ranges[f"output{i - 1}"], tracked=follows))
            if follows:
                self.quants[f"output{i - 1}_quant"] = quants[-1]
        return quants

    def _error_quants(self, ranges: Mapping[str, Range], tracked: bool) -> dict[int, Quant]:
        quants: dict[int, Quant] = {}
        for i in range(len(self.specs), self.first, -1):
            if i < len(self.specs) and self.specs[i].kind in ("max_pool2d", "flatten"):
                quants[i] = quants[i + 1]
                continue
            name = f"error_of_{self._name(i)}"
            quants[i] = Quant.covering(*(ranges[name] if tracked else (-1.0, 1.0)), tracked=tracked)
            if tracked:
                self.quants[f"{name}_quant"] = quants[i]
        return quants

    def _name(self, boundary: int) -> str:
        """Name the value at a boundary by the layer that computes it; flattening does not."""
        while self.specs[boundary - 1].kind == "flatten":
            boundary -= 1
        return f"output{boundary - 1}" if boundary else "input"

    def _deployed(self, i: int, weights: np.ndarray, bias: np.ndarray) -> Parameters:
        quant = Quant.covering(weights.min(), weights.max())
        rounded = np.floor(weights.astype(np.float64) / float(quant.scale) + quant.zero_point + 0.5)
        q = np.clip(rounded, 0, 255).astype(np.uint8)
        unit = self.activation_quants[i].scale * quant.scale
        spec = self.specs[i]
        if spec.kind == "conv2d":
            q = q.reshape(len(q), *spec.window, -1)
        return Parameters(q, quant, np.rint(bias / unit).astype(np.int32), unit, trained=i >= self.first)

    def forward(self, sample: np.ndarray, *, training: bool) -> tuple[list[np.ndarray], dict[int, np.ndarray]]:
        """Return the uint8 activation at every boundary, and where each pooling layer found its maxima."""
        values = [sample.reshape(self.shapes[0])]
        winners: dict[int, np.ndarray] = {}
        for i, spec in enumerate(self.specs):
            before, after = self.activation_quants[i], self.activation_quants[i + 1]
            if spec.kind == "flatten":
                values.append(values[-1].reshape(-1))
                continue
            if spec.kind == "max_pool2d":
                highest, winners[i] = layers.max_pool2d(values[-1], spec.window, spec.stride)
                values.append(highest)
                continue
            own = self.parameters[i]
            x, w = before.centered(values[-1]), own.quant.centered(own.weights)
            products = layers.conv2d(x, w, spec.stride, spec.padding) if spec.kind == "conv2d" else layers.dense(x, w)
            sums = products + own.bias
            unit = before.scale * own.quant.scale
            values.append(requantize(sums, unit / after.scale, after.zero_point))
            if training and after.tracked:
                seen = np.maximum(sums, 0) if spec.relu else sums
                after.see(seen.astype(F) * unit)
        return values, winners

    def loss(self, logits: np.ndarray, label: int) -> Loss:
        return softmax_cross_entropy(self.activation_quants[-1].real(logits.reshape(-1)), label)

    def _behind_relu(self, i: int) -> bool:
        """Whether the activation at boundary i has been through a ReLU."""
        while i > 0 and self.specs[i - 1].kind in ("max_pool2d", "flatten"):
            i -= 1
        return i > 0 and self.specs[i - 1].relu

    def step(self, sample: np.ndarray, label: int) -> Loss:
        """Forward, loss, backward: gradients are accumulated, nothing is updated."""
        values, winners = self.forward(sample, training=True)
        loss = self.loss(values[-1], label)
        self.loss_max = max(self.loss_max, loss.value)
        relative_loss = loss.value / self.loss_max if self.loss_max > 0 else ZERO
        for own in self.parameters.values():
            own.selected = 0
        quant = self.error_quants[len(self.specs)]
        error = quant.quantized(loss.gradient).reshape(self.shapes[-1])
        if quant.tracked:
            quant.see(loss.gradient)
        trained = [i for i in self.parameters if i >= self.first]
        last = trained[0]
        if self.settings.policy.name == "last-layers":
            layers_trained = int(self.settings.policy.min_ratio * F(len(trained)))
            last = trained[-max(layers_trained, 1)]
        for i in range(len(self.specs) - 1, last - 1, -1):
            # What lies before the last trained layers gets no error either, though its input does.
            error = self._backward(i, values[i], error, winners.get(i), relative_loss)
        return loss

    def _backward(
        self, i: int, x: np.ndarray, error: np.ndarray, winner: np.ndarray | None, relative_loss: np.float32
    ) -> np.ndarray:
        """Accumulate the gradients of layer i and return the error at its input."""
        spec, own = self.specs[i], self.parameters.get(i)
        after = self.error_quants[i + 1]
        e = after.centered(error)
        if spec.kind == "flatten":
            return error.reshape(self.shapes[i])
        if spec.kind == "max_pool2d":
            assert winner is not None
            limits = (-after.zero_point, 255 - after.zero_point)
            sums = layers.max_pool2d_error(e, winner, self.shapes[i], spec.window, spec.stride, limits)
            return (sums + after.zero_point).astype(np.uint8)
        assert own is not None
        chosen, own.error_max = select_u8(
            self.settings.policy, e, after.scale, own.error_max, relative_loss, self.generator
        )
        own.selected = len(chosen)
        skipped = np.ones(len(own.bias), dtype=bool)
        skipped[chosen] = False
        e[..., skipped] = 0
        centered = self.activation_quants[i].centered(x)
        if spec.kind == "conv2d":
            gradient = layers.conv2d_gradient(centered, e, spec.window, spec.stride, spec.padding)
        else:
            gradient = layers.dense_gradient(centered, e)
        own.gradient = saturated(own.gradient + gradient)
        own.bias_gradient = saturated(own.bias_gradient + e.reshape(-1, len(own.bias)).sum(axis=0))
        own.touched[chosen] = 1
        if i == self.first:
            return error
        return self._input_error(i, x, e)

    def _input_error(self, i: int, x: np.ndarray, e: np.ndarray) -> np.ndarray:
        spec, own = self.specs[i], self.parameters[i]
        before, after = self.error_quants[i], self.error_quants[i + 1]
        w = own.quant.centered(own.weights)
        if spec.kind == "conv2d":
            sums = layers.conv2d_error(e, w, self.shapes[i], spec.stride, spec.padding)
        else:
            sums = layers.dense_error(e, w)
        unit = own.quant.scale * after.scale
        if self._behind_relu(i):
            sums = np.where(self.activation_quants[i].centered(x) > 0, sums, 0)
        if before.tracked:
            before.see(sums.astype(F) * unit)
        return requantize(sums, unit / before.scale, before.zero_point)

    def update(self, batch_size: int) -> None:
        """Close a minibatch of `batch_size` steps."""
        settings = self.settings
        trained = [(i, own) for i, own in self.parameters.items() if own.trained]
        for i, own in trained:
            count = len(own.bias)
            error_scale, input_scale = self.error_quants[i + 1].scale, self.activation_quants[i].scale
            own.bias, own.bias_velocity = update_bias(
                own.bias, own.bias_gradient, own.bias_velocity, own.touched, settings.descent, error_scale, batch_size,
                own.bias_unit,
            )  # fmt: skip
            rows = (part.reshape(count, -1) for part in (own.weights, own.gradient, own.velocity))
            weights, gradient, velocity = rows
            weights, own.quant, velocity = update_weights(
                weights, own.quant, gradient, velocity, own.touched, settings.descent, input_scale * error_scale,
                batch_size, self.generator,
            )  # fmt: skip
            own.weights, own.velocity = (part.reshape(own.weights.shape) for part in (weights, velocity))
            own.forget_gradients()
        for quant in self.quants.values():
            quant.follow(settings.smoothing)
        for i, own in trained:
            unit = self.activation_quants[i].scale * own.quant.scale
            own.bias = change_bias_unit(own.bias, own.bias_unit, unit)
            own.bias_unit = unit

    def tensors(self) -> dict[str, bytes]:
        """Return everything that survives a step, by the name it has in a plan."""
        state = {name: quant.pack() for name, quant in self.quants.items()}
        state["shared"] = struct.pack("<If", self.generator.state, self.loss_max)
        for i, own in self.parameters.items():
            if own.trained:
                state |= {
                    f"weights{i}": own.weights.tobytes(),
                    f"weights{i}_quant": own.quant.pack(),
                    f"bias{i}": own.bias.tobytes(),
                    f"gradient{i}": own.gradient.tobytes(),
                    f"bias_gradient{i}": own.bias_gradient.tobytes(),
                    f"touched{i}": own.touched.tobytes(),
                    f"velocity{i}": own.velocity.tobytes(),
                    f"bias_velocity{i}": own.bias_velocity.tobytes(),
                    f"selection{i}": struct.pack("<fIf", own.error_max, own.selected, own.bias_unit),
                }
        return state

    def run(
        self,
        samples: Sequence[tuple[np.ndarray, int]],
        batch_size: int,
        epoch_steps: int,
        evaluated: Sequence[tuple[np.ndarray, int]],
        state_bytes: Callable[[dict[str, bytes]], bytes],
    ) -> list[dict[str, Any]]:
        """Train on `samples` in order, then evaluate; return the records.

        A minibatch closes after `batch_size` steps and at the end of an epoch; `state_bytes` puts the tensors in the
        order of the plan.
        """
        records: list[dict[str, Any]] = []
        trained = [own for own in self.parameters.values() if own.trained]
        in_minibatch = epoch_correct = epoch_selected = 0
        epoch_loss = F(0)
        for n, (sample, label) in enumerate(samples, start=1):
            loss = self.step(sample, label)
            counts = [own.selected for own in trained]
            in_minibatch += 1
            ends = epoch_steps > 0 and n % epoch_steps == 0
            closes = in_minibatch == batch_size or ends
            if closes:
                self.update(in_minibatch)
                in_minibatch = 0
            records.append({"r": "step", "n": n, "loss": bits(loss.value), "ok": int(loss.correct), "k": counts})
            if closes:
                records.append({"r": "update", "n": n, "state": checksum(state_bytes(self.tensors()))})
            epoch_loss, epoch_correct = epoch_loss + loss.value, epoch_correct + loss.correct
            epoch_selected += sum(counts)
            if ends:
                mean = bits(epoch_loss / F(epoch_steps))
                records.append({"r": "epoch", "n": n, "loss": mean, "ok": epoch_correct, "selected": epoch_selected})
                epoch_loss, epoch_correct, epoch_selected = F(0), 0, 0
        if evaluated:
            total, correct = F(0), 0
            for sample, label in evaluated:
                loss = self.loss(self.forward(sample, training=False)[0][-1], label)
                total, correct = total + loss.value, correct + loss.correct
            records.append({"r": "eval", "n": len(samples), "ok": correct, "of": len(evaluated), "loss": bits(total)})
        records.append({"r": "end", "n": len(samples), "state": checksum(state_bytes(self.tensors()))})
        return records
