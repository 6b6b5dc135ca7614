"""Whole training steps of a fully quantized network: what state and records must be after any number of them."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reference import depthwise, layers
from reference.accumulator import accumulated
from reference.activation import activated, activated_u8, passes_u8
from reference.affine import ONE, ZERO, F, Quant, requantize, saturated
from reference.average import avg_pool2d, avg_pool2d_error
from reference.generator import Generator
from reference.graph import Layer, Node, activations_of, nodes_of, trained_values, window_size
from reference.loss import Loss, softmax_cross_entropy
from reference.selection import Policy, select_u8
from reference.sums import exact_sum, nearest_float, rounded_sum
from reference.swish import DERIVATIVE_UNIT, derivative_units, hard_swish
from reference.update import Descent, change_bias_unit, update_bias, update_weights

Range = tuple[float, float]
Quantized = tuple[np.ndarray, Quant]

FIXED_ERROR_RANGE = (-1.0, 1.0)


@dataclass
class Parameters:
    """Weights of one layer; gradients and selection of a trained one."""

    weights: np.ndarray  # uint8 (structures, ...)
    quant: Quant
    bias: np.ndarray  # int32 (structures,)
    bias_unit: np.float32
    trained: bool
    gradient_bits: int = 32
    gradient: np.ndarray = field(init=False)  # of so many bits, in units of 2^exponent
    exponents: np.ndarray = field(init=False)
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
        self.gradient = np.zeros(self.weights.shape, dtype=f"int{self.gradient_bits}")
        self.exponents = np.zeros(len(self.bias), dtype=np.uint8)
        self.bias_gradient = np.zeros(len(self.bias), dtype=np.int32)
        self.touched = np.zeros(len(self.bias), dtype=np.uint8)


@dataclass
class Settings:
    """Hyper-parameters; `smoothing` is that of the tracked ranges, `seed` that of all random numbers."""

    policy: Policy
    descent: Descent
    smoothing: np.float32
    seed: int = 1
    gradient_bits: int = 32


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

    `specs` are the layers, `shapes` the shapes between them, `weights` the float32 (weights, bias) of each layer or
    None, batch normalization folded. `ranges` are the calibrated ranges by name: `output3` is what layer 3 gives,
    `output3_linear` the same before hard-swish, `error_of_output3` its error as the next layer propagates it,
    `sum0_of_output3` the error where two paths met. The last `trained_layers` layers with weights are trained.
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
        self.settings = settings
        self.nodes = nodes_of(specs, shapes)
        self.logits = self.nodes[-1].output
        self.activations = activations_of(self.nodes)
        self.first = [i for i, drawn in enumerate(weights) if drawn is not None][-trained_layers]
        self.trained_values = trained_values(self.nodes, self.first)
        self.generator = Generator(settings.seed)
        self.loss_max = self.epoch_loss = ZERO
        self.epoch_correct = self.epoch_selected = 0
        self.quants: dict[str, Quant] = {}
        self._quantize_values(input_range, ranges, tracked_activations)
        self._quantize_errors(ranges, tracked_errors)
        self.parameters: dict[int, Parameters] = {}
        for node in self.nodes:
            drawn = weights[node.layer]
            if node.weighted and drawn is not None:
                self.parameters[node.layer] = self._deployed(node, *drawn)

    def _quantize_values(self, input_range: Range, ranges: Mapping[str, Range], tracked: bool) -> None:
        self.value_quants = {"input": Quant.covering(*input_range)}
        for node in self.nodes:
            if node.kind in ("max_pool2d", "avg_pool2d"):
                self.value_quants[node.output] = self.value_quants[node.inputs[0]]
                continue
            follows = tracked and node.output in self.trained_values
            quant = self.value_quants[node.output] = Quant.covering(*ranges[node.output], tracked=follows)
            if follows:
                self.quants[f"{node.output}_quant"] = quant

    def _quantize_errors(self, ranges: Mapping[str, Range], tracked: bool) -> None:
        """Give each error its quantization, from the logits on.

        `error_quants` are those of whole errors, by the value; `sum_quants` those of the sums that they are;
        `path_quants` those of the errors that one node propagates, by the output of the node.
        """

        def own(name: str) -> Quant:
            quant = Quant.covering(*(ranges[name] if tracked else FIXED_ERROR_RANGE), tracked=tracked)
            if tracked:
                self.quants[f"{name}_quant"] = quant
            return quant

        self.error_quants: dict[str, Quant] = {}
        self.sum_quants: dict[str, list[Quant]] = {}
        self.path_quants: dict[str, Quant] = {}
        self.logits_error_quant = own(f"error_of_{self.logits}")
        arriving = defaultdict(list, {self.logits: [self.logits_error_quant]})
        for node in reversed(self.nodes):
            if node.output not in self.trained_values:
                continue
            paths = arriving[node.output]
            sums = [own(f"sum{number}_of_{node.output}") for number in range(len(paths) - 1)]
            whole = [*paths[:1], *sums][-1]
            self.sum_quants[node.output], self.error_quants[node.output] = sums, whole
            trained = [value for value in node.inputs if value in self.trained_values]
            if not trained:
                continue
            if node.kind in ("max_pool2d", "add"):
                path = whole
            elif node.kind == "avg_pool2d":
                # Derived from that of the output error in every step: state that is not tracked.
                path = self.quants[f"error_of_{trained[0]}_quant"] = Quant.covering(*FIXED_ERROR_RANGE)
            else:
                path = own(f"error_of_{trained[0]}")
            self.path_quants[node.output] = path
            for value in trained:
                arriving[value].append(path)

    def _deployed(self, node: Node, weights: np.ndarray, bias: np.ndarray) -> Parameters:
        quant = Quant.covering(weights.min(), weights.max())
        rounded = np.floor(weights.astype(np.float64) / float(quant.scale) + quant.zero_point + 0.5)
        q = np.clip(rounded, 0, 255).astype(np.uint8)
        unit = self.value_quants[node.inputs[0]].scale * quant.scale
        if node.kind == "conv2d":
            q = q.reshape(len(q), *node.window, -1)
        elif node.kind == "depthwise_conv2d":
            q = q.reshape(len(q), *node.window)
        trained = node.layer >= self.first
        return Parameters(q, quant, np.rint(bias / unit).astype(np.int32), unit, trained, self.settings.gradient_bits)

    # Forward ---------------------------------------------------------------------------------------------------------

    def forward(self, sample: np.ndarray, *, training: bool) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return every uint8 value, and where each maximum was found, by the value."""
        values = {"input": sample}
        winners: dict[str, np.ndarray] = {}
        for node in self.nodes:
            x = values[node.inputs[0]].reshape(node.input_shape)
            if node.kind == "max_pool2d":
                values[node.output], winners[node.output] = layers.max_pool2d(x, node.window, node.stride)
                continue
            before, after = self.value_quants[node.inputs[0]], self.value_quants[node.output]
            if node.kind == "add":
                values[node.output], seen = self._sum((x, before), self._quantized(values, node.inputs[1]), after)
            elif node.kind == "avg_pool2d":
                sums = avg_pool2d(before.centered(x), node.window, node.stride)
                values[node.output] = requantize(sums, ONE / F(window_size(node)), before.zero_point)
                continue
            elif node.kind == "hard_swish":
                seen = hard_swish(before.real(x))
                values[node.output] = after.quantized(seen)
            else:
                own = self.parameters[node.layer]
                sums = self._products(node, before.centered(x), own) + own.bias
                unit = before.scale * own.quant.scale
                quantized = requantize(sums, unit / after.scale, after.zero_point)
                values[node.output] = activated_u8(node.activation, quantized, after)
                seen = activated(node.activation, sums.astype(F) * unit)
            if training and after.tracked:
                after.see(seen)
        return values, winners

    def _quantized(self, values: Mapping[str, np.ndarray], name: str) -> Quantized:
        return values[name], self.value_quants[name]

    @staticmethod
    def _products(node: Node, x: np.ndarray, own: Parameters) -> np.ndarray:
        w = own.quant.centered(own.weights)
        if node.kind == "dense":
            return layers.dense(x, w)
        convolution = layers.conv2d if node.kind == "conv2d" else depthwise.depthwise_conv2d
        return convolution(x, w, node.stride, node.padding)

    @staticmethod
    def _sum(left: Quantized, right: Quantized, quant: Quant) -> tuple[np.ndarray, np.ndarray]:
        """Return left + right as `quant` has it, and the real values of the sums."""
        sums = exact_sum(*left, *right, quant.scale)
        seen = np.array([nearest_float(value) for value in sums]) * quant.scale
        return rounded_sum(sums, quant.zero_point).reshape(left[0].shape), seen

    def loss(self, logits: np.ndarray, label: int) -> Loss:
        return softmax_cross_entropy(self.value_quants[self.logits].real(logits.reshape(-1)), label)

    # Backward --------------------------------------------------------------------------------------------------------

    def step(self, sample: np.ndarray, label: int) -> Loss:
        """Forward, loss, backward: gradients are accumulated, nothing is updated."""
        values, winners = self.forward(sample, training=True)
        loss = self.loss(values[self.logits], label)
        self.loss_max = max(self.loss_max, loss.value)
        relative_loss = loss.value / self.loss_max if self.loss_max > 0 else ZERO
        for own in self.parameters.values():
            own.selected = 0
        quant = self.logits_error_quant
        if quant.tracked:
            quant.see(loss.gradient)
        arriving = defaultdict(list, {self.logits: [(quant.quantized(loss.gradient), quant)]})
        last = self._last_of_step()
        for node in reversed(self.nodes):
            if node.output not in self.trained_values:
                continue
            error, after = self._met(node, arriving[node.output])
            e = after.centered(error.reshape(node.output_shape))
            if node.weighted and node.layer >= self.first:
                e = self._accumulate(node, values[node.inputs[0]], e, after, relative_loss)
                if node.layer == last:
                    break
            for value in node.inputs:
                if value in self.trained_values:
                    arriving[value].append(self._propagated(node, value, values[value], e, after, winners))
        return loss

    def _last_of_step(self) -> int:
        """Return the layer whose gradient ends the backward pass."""
        policy = self.settings.policy
        trained = [i for i in self.parameters if i >= self.first]
        if policy.name != "last-layers":
            return trained[0]
        return trained[-max(int(policy.min_ratio * F(len(trained))), 1)]

    def _met(self, node: Node, errors: Sequence[Quantized]) -> Quantized:
        """Return the whole error of what `node` computed, of which several nodes may have propagated a part."""
        whole = errors[0]
        for other, quant in zip(errors[1:], self.sum_quants[node.output], strict=True):
            shape = other[0].shape
            total, seen = self._sum((whole[0].reshape(shape), whole[1]), other, quant)
            if quant.tracked:
                quant.see(seen)
            whole = total, quant
        assert whole[1] is self.error_quants[node.output]
        return whole

    def _accumulate(
        self, node: Node, x: np.ndarray, e: np.ndarray, after: Quant, relative_loss: np.float32
    ) -> np.ndarray:
        """Add the gradients of one layer; return the error of the structures that were selected for it."""
        own = self.parameters[node.layer]
        chosen, own.error_max = select_u8(
            self.settings.policy, e, after.scale, own.error_max, relative_loss, self.generator
        )
        own.selected = len(chosen)
        skipped = np.ones(len(own.bias), dtype=bool)
        skipped[chosen] = False
        e = np.where(skipped, 0, e)
        centered = self.value_quants[node.inputs[0]].centered(x.reshape(node.input_shape))
        if node.kind == "dense":
            gradient = layers.dense_gradient(centered, e)
        elif node.kind == "conv2d":
            gradient = layers.conv2d_gradient(centered, e, node.window, node.stride, node.padding)
        else:
            gradient = depthwise.depthwise_conv2d_gradient(centered, e, node.window, node.stride, node.padding)
        if own.gradient_bits == 32:
            own.gradient = saturated(own.gradient + gradient)
        else:
            self._accumulate_narrowly(own, gradient)
        own.bias_gradient = saturated(own.bias_gradient + e.reshape(-1, len(own.bias)).sum(axis=0))
        own.touched[chosen] = 1
        return e

    @staticmethod
    def _accumulate_narrowly(own: Parameters, gradient: np.ndarray) -> None:
        """Add structure by structure, channel by channel."""
        for o in range(len(own.bias)):
            by_channel = np.moveaxis(own.gradient[o], -1, 0) if own.gradient.ndim == 4 else own.gradient[o]
            added = np.moveaxis(gradient[o], -1, 0) if own.gradient.ndim == 4 else gradient[o]
            sums, own.exponents[o] = accumulated(by_channel.reshape(-1), int(own.exponents[o]), added.reshape(-1))
            by_channel[...] = sums.reshape(by_channel.shape)

    def _propagated(
        self,
        node: Node,
        value: str,
        x: np.ndarray,
        e: np.ndarray,
        after: Quant,
        winners: Mapping[str, np.ndarray],
    ) -> Quantized:
        """Return the error of the input `value` of a node, of which `x` was the content, as far as it comes through."""
        before = self.path_quants[node.output]
        x = x.reshape(node.input_shape)
        passing = passes_u8(self.activations[value], x, self.value_quants[value])
        if node.kind == "max_pool2d":
            limits = (-after.zero_point, 255 - after.zero_point)
            winner = winners[node.output]
            units = layers.max_pool2d_error(e, winner, node.input_shape, node.window, node.stride, limits)
        elif node.kind == "add":
            units = np.where(passing, e, 0)
        elif node.kind == "avg_pool2d":
            share = ONE / F(window_size(node))
            before.scale, before.zero_point = after.scale * share, after.zero_point
            before.low, before.high = after.low * share, after.high * share
            units = np.where(passing, avg_pool2d_error(e, node.input_shape, node.window, node.stride), 0)
        else:
            sums, unit = self._sums_of_errors(node, x, e, after)
            sums = np.where(passing, sums, 0)
            if before.tracked:
                before.see(sums.astype(F) * unit)
            return requantize(sums, unit / before.scale, before.zero_point), before
        return np.clip(units + before.zero_point, 0, 255).astype(np.uint8), before

    def _sums_of_errors(self, node: Node, x: np.ndarray, e: np.ndarray, after: Quant) -> tuple[np.ndarray, np.float32]:
        """Return the error of the input of a layer with weights or of hard-swish, and what one unit of it is worth."""
        if node.kind == "hard_swish":
            derivative = derivative_units(x, self.value_quants[node.inputs[0]])
            return e * derivative, after.scale / F(DERIVATIVE_UNIT)
        own = self.parameters[node.layer]
        w, unit = own.quant.centered(own.weights), own.quant.scale * after.scale
        if node.kind == "dense":
            return layers.dense_error(e, w), unit
        error = layers.conv2d_error if node.kind == "conv2d" else depthwise.depthwise_conv2d_error
        return error(e, w, node.input_shape, node.stride, node.padding), unit

    # Update ----------------------------------------------------------------------------------------------------------

    def update(self, batch_size: int) -> None:
        """Close a minibatch of `batch_size` steps."""
        settings = self.settings
        trained = [
            (self.parameters[node.layer], self.value_quants[node.inputs[0]], self.error_quants[node.output])
            for node in self.nodes
            if node.weighted and node.layer >= self.first
        ]
        for own, before, after in trained:
            count = len(own.bias)
            own.bias, own.bias_velocity = update_bias(
                own.bias, own.bias_gradient, own.bias_velocity, own.touched, settings.descent, after.scale, batch_size,
                own.bias_unit,
            )  # fmt: skip
            exact = own.gradient.reshape(count, -1).astype(np.int64) << own.exponents[:, None].astype(np.int64)
            rows = (own.weights.reshape(count, -1), exact, own.velocity.reshape(count, -1))
            weights, gradient, velocity = rows
            weights, own.quant, velocity = update_weights(
                weights, own.quant, gradient, velocity, own.touched, settings.descent, before.scale * after.scale,
                batch_size, self.generator,
            )  # fmt: skip
            own.weights, own.velocity = (part.reshape(own.weights.shape) for part in (weights, velocity))
            own.forget_gradients()
        for quant in self.quants.values():
            if quant.tracked:
                quant.follow(settings.smoothing)
        for own, before, _ in trained:
            unit = before.scale * own.quant.scale
            own.bias = change_bias_unit(own.bias, own.bias_unit, unit)
            own.bias_unit = unit

    def tensors(self) -> dict[str, bytes]:
        """Return everything that survives a step, by the name it has in a plan."""
        state = {name: quant.pack() for name, quant in self.quants.items()}
        state["shared"] = struct.pack(
            "<IfIIf", self.generator.state, self.loss_max, self.epoch_correct, self.epoch_selected, self.epoch_loss
        )
        for i, own in self.parameters.items():
            if own.trained:
                state |= {
                    f"weights{i}": own.weights.tobytes(),
                    f"weights{i}_quant": own.quant.pack(),
                    f"bias{i}": own.bias.tobytes(),
                    f"gradient{i}": own.gradient.tobytes(),
                    f"exponents{i}": own.exponents.tobytes(),
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
        *,
        evaluated_each_epoch: Sequence[tuple[np.ndarray, int]] = (),
        schedule: Sequence[np.float32] = (),
    ) -> list[dict[str, Any]]:
        """Train on `samples` in order, then evaluate; return the records.

        A minibatch closes after `batch_size` steps and at the end of an epoch; `schedule` has the learning rate of each
        epoch, the last one also of those after it; `state_bytes` puts the tensors in the order of the plan.
        """
        records: list[dict[str, Any]] = []
        trained = [own for own in self.parameters.values() if own.trained]
        in_minibatch = 0
        for n, (sample, label) in enumerate(samples, start=1):
            if len(schedule):
                epoch = (n - 1) // epoch_steps if epoch_steps else 0
                self.settings.descent.learning_rate = schedule[min(epoch, len(schedule) - 1)]
            loss = self.step(sample, label)
            counts = [own.selected for own in trained]
            in_minibatch += 1
            ends = epoch_steps > 0 and n % epoch_steps == 0
            closes = in_minibatch == batch_size or ends
            if closes:
                self.update(in_minibatch)
                in_minibatch = 0
            self.epoch_loss, self.epoch_correct = self.epoch_loss + loss.value, self.epoch_correct + int(loss.correct)
            self.epoch_selected += sum(counts)
            records.append({"r": "step", "n": n, "loss": bits(loss.value), "ok": int(loss.correct), "k": counts})
            if closes:
                records.append({"r": "update", "n": n, "state": checksum(state_bytes(self.tensors()))})
            if ends:
                mean, correct, selected = (
                    bits(self.epoch_loss / F(epoch_steps)),
                    self.epoch_correct,
                    self.epoch_selected,
                )
                records.append({"r": "epoch", "n": n, "loss": mean, "ok": correct, "selected": selected})
                self.epoch_loss, self.epoch_correct, self.epoch_selected = ZERO, 0, 0
                records += self.evaluation(n, evaluated_each_epoch)
        records += self.evaluation(len(samples), evaluated)
        records.append({"r": "end", "n": len(samples), "state": checksum(state_bytes(self.tensors()))})
        return records

    def evaluation(self, n: int, samples: Sequence[tuple[np.ndarray, int]]) -> list[dict[str, Any]]:
        """Return the record of an evaluation after step `n`, if there are samples."""
        total, correct = F(0), 0
        for sample, label in samples:
            loss = self.loss(self.forward(sample, training=False)[0][self.logits], label)
            total, correct = total + loss.value, correct + loss.correct
        record = {"r": "eval", "n": n, "ok": correct, "of": len(samples), "loss": bits(total)}
        return [record] if samples else []
