"""The one definition of a scenario: keys, types, defaults, bounds and what each means."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from harness.dataset import DatasetInfo, Origin, describe
from harness.model import LayerSpec, Network, NetworkWeights, load_network, network_of_layers
from harness.model.onnx import read_onnx
from harness.quantity import Ratio, SizeBounds
from harness.scenario.choice import (
    ActivationRanges,
    CacheModel,
    CyclesPerInstruction,
    DatasetName,
    Dtype,
    EngineName,
    ErrorRanges,
    Fidelity,
    GradientBits,
    ModelName,
    OptimizerName,
    PlatformName,
    Policy,
    RatioForm,
    ResetLayers,
    Rounding,
    ScheduleName,
    Steps,
    TrainedLayers,
)
from harness.scenario.data import AugmentationChoice, DatasetChoice
from harness.scenario.method import METHODS, MethodName, with_method
from harness.scenario.permission import permitted_path
from harness.scenario.section import SEED_LIMIT, Section, conflict, value_at
from harness.scenario.source import Source

_KIB = 1024
_MIB = 1024 * 1024


class ModelChoice(Section):
    """The network: a name, its layers written out, or an ONNX file."""

    name: ModelName | None = Field(
        None, description="a network that ships with the harness", examples=["digits-cnn", "fmnist-cnn"]
    )
    onnx: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="an ONNX file with the layers and their initial weights, found as `dataset.folder` is; needs the "
        "package onnx",
        examples=["net.onnx"],
    )
    weights: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="a .npz file with the initial weights, relative to the scenario file; every run writes one with "
        "its trained weights; not given, they are those of the ONNX file, or drawn from training.seed",
        examples=["trained.npz"],
    )
    layers: list[LayerSpec] | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="the layers in order, written out; the last one gives one output a class",
        examples=[[{"type": "flatten"}, {"type": "dense", "units": 10}]],
    )

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        given = [key for key in ("name", "layers", "onnx") if getattr(self, key) is not None]
        if len(given) > 1:
            conflict(f"both {given[0]} and {given[1]}; expected one of them", given[1])
        if not given:
            conflict("no network; expected the key 'name', 'layers' or 'onnx'")
        return self


class Update(Section):
    """How many structures of each layer get a gradient in a step."""

    policy: Policy = Field(
        "dynamic",
        description="`dynamic`: the ratio follows the error between min_ratio and max_ratio; `full`: always every "
        "structure, whatever the ratios; `static`: always min_ratio; `random`: min_ratio of the structures, drawn anew "
        "in every step; `last-layers`: all structures of the last min_ratio of the trained layers, none of the others",
        examples=["dynamic"],
    )
    form: RatioForm = Field(
        "follow-up",
        description="the published form of the dynamic ratio, of a layer of N structures: `follow-up`: "
        "max(floor((min + e/e_max (max - min)) N), 1), e the mean error of the layer; `talk`: the same without the "
        "lower bound of 1; `poster`: the loss relative to the largest seen in place of the error",
        examples=["follow-up"],
    )
    min_ratio: Ratio = Field(
        0.1, description="smallest update ratio; above 0, at most max_ratio", examples=[0.1, "10 %", 1.0]
    )
    max_ratio: Ratio = Field(1.0, description="largest update ratio; at most 1", examples=[1.0, "100 %"])

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_ratio > self.max_ratio:
            conflict(
                f"min_ratio {self.min_ratio:g} is above max_ratio {self.max_ratio:g}; expected min_ratio <= max_ratio",
                "min_ratio",
                "max_ratio",
            )
        return self


class Optimizer(Section):
    """How a gradient changes the weights."""

    name: OptimizerName = Field(
        "standardized",
        description="`standardized`: the gradient of each structure, less its mean, divided by its deviation; "
        "`momentum`: stochastic gradient descent with momentum, on the quantized weights; `momentum-qas`: the same "
        "with quantization-aware scaling (Lin et al. 2022)",
        examples=["standardized"],
    )
    momentum: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="share of the last velocity in the next; without effect on standardized",
        examples=[0.9],
    )


class Schedule(Section):
    """How the learning rate changes from epoch to epoch."""

    name: ScheduleName = Field(
        "cosine",
        description="`constant`; `step`: times `factor` every `every` epochs; `cosine`: half a cosine from "
        "learning_rate to learning_rate times `factor` in the last epoch",
        examples=["cosine"],
    )
    factor: float = Field(0.1, gt=0, le=1, description="of the learning rate; see name", examples=[0.1])
    every: int = Field(1, ge=1, le=10_000, description="epochs between steps", examples=[1])


class Quantization(Section):
    """Where the ranges of uint8 tensors come from; without effect on float32."""

    activations: ActivationRanges = Field(
        "tracked",
        description="`tracked`: calibrated before deployment, then followed on the device; `calibrated`: fixed after "
        "calibration",
        examples=["tracked"],
    )
    errors: ErrorRanges = Field(
        "tracked",
        description="`tracked`: smoothed minimum and maximum of the errors seen; `fixed`: [-1, 1]",
        examples=["tracked"],
    )
    smoothing: float = Field(
        0.1, gt=0, le=1, description="weight of the newest minimum and maximum in a tracked range", examples=[0.1]
    )
    rounding: Rounding = Field(
        "stochastic",
        description="how an updated weight is rounded: `nearest`, or `stochastic` by a generator seeded with "
        "training.seed",
        examples=["stochastic"],
    )
    weight_smoothing: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of the newly needed range in a weight range; at 1 it follows at once",
        examples=[1.0],
    )
    weight_slack: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="a weight range is kept while it holds all weights and they fill 1 - weight_slack of it; at 0 "
        "every update gives a new range",
        examples=[0.0],
    )
    calibration_samples: int = Field(
        64, ge=1, le=65535, description="training samples that calibration looks at", examples=[64]
    )


class Pretraining(Section):
    """Training on the host before deployment: in float32, every layer and structure, on samples of their own.

    Of the data set that `dataset` draws from, they are samples that the device neither trains nor tests on, without
    its shift and augmentation.
    """

    epochs: int = Field(
        0,
        ge=0,
        le=10_000,
        description="times that every sample is visited; at 0 there is no pretraining",
        examples=[10],
    )
    dataset: DatasetName | None = Field(
        None,
        description="a data set with samples of the same shape and as many classes; not given, that of `dataset`",
        examples=["mnist"],
    )
    train: int | None = Field(
        None, ge=1, le=1_000_000, description="number of samples; not given, dataset.train", examples=[5000]
    )
    batch_size: int = Field(32, ge=1, le=4096, description="samples of one update", examples=[32])
    learning_rate: float = Field(0.01, gt=0, le=100, description="of the first epoch", examples=[0.01])
    schedule: Schedule = Field(default_factory=Schedule, description="learning rate of later epochs")
    optimizer: Optimizer = Field(default_factory=Optimizer, description="how a gradient changes the weights")
    seed: int = Field(
        1, ge=0, lt=SEED_LIMIT, description="seed of the initial weights and of the visiting order", examples=[1]
    )


class Gradients(Section):
    """How the gradients of a minibatch are accumulated."""

    bits: GradientBits = Field(
        32,
        description="size of the accumulator that each trained uint8 weight has: at 8 and 16, those of a structure "
        "share an exponent, which grows when one would overflow; biases keep 32 bits; without effect on float32 "
        "layers, the head of `mixed` among them",
        examples=[32, 8],
    )


class Training(Section):
    """How the network is trained on the device."""

    method: MethodName = Field(
        "harness",
        description="`harness`: the defaults of the other keys; `paper`: the method as published, which settles "
        + ", ".join(f"{key} {value}" for key, value in METHODS["paper"].settled.items())
        + " (another value beside it is an error) and has the defaults "
        + ", ".join(f"{key} {value}" for key, value in METHODS["paper"].defaults.items()),
        examples=["paper"],
    )
    epochs: int = Field(3, ge=1, le=10_000, description="times that every training sample is visited", examples=[3])
    batch_size: int = Field(
        32, ge=1, le=4096, description="steps whose gradients are accumulated before one update", examples=[32]
    )
    learning_rate: float = Field(0.01, gt=0, le=100, description="of the first epoch", examples=[0.01])
    schedule: Schedule = Field(default_factory=Schedule, description="learning rate of later epochs")
    optimizer: Optimizer = Field(default_factory=Optimizer, description="how a gradient changes the weights")
    dtype: Dtype = Field(
        "uint8",
        description="data type of weights, activations and errors; `mixed`: a uint8 feature extractor with a float32 "
        "head, which is what is trained, or the dense layers at the end when everything is",
        examples=["uint8"],
    )
    seed: int = Field(
        1, ge=0, lt=SEED_LIMIT, description="seed of the initial weights and of the visiting order", examples=[1]
    )
    update: Update = Field(default_factory=Update, description="partial updates")
    trainable_layers: TrainedLayers = Field(
        "all",
        description="`all`, or how many of the last layers with weights are trained, or `auto`: as many as fit the RAM "
        "budget; those before stay as they are, in flash",
        examples=["all", 2, "auto"],
    )
    reset: ResetLayers = Field(
        0,
        description="how many of the last layers with weights start from weights drawn from `seed`, in place of those "
        "of the pretraining or of a file; `all` of those that are trained",
        examples=[1, "all"],
    )
    gradients: Gradients = Field(default_factory=Gradients, description="accumulation of gradients")
    quantization: Quantization = Field(default_factory=Quantization, description="ranges of uint8 tensors")

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, data: Any) -> Any:
        return with_method(data)

    @model_validator(mode="after")
    def _reset_layers_are_trained(self) -> Self:
        if (
            isinstance(self.reset, int)
            and isinstance(self.trainable_layers, int)
            and self.reset > self.trainable_layers
        ):
            conflict(
                f"{self.reset} layers, of which {self.trainable_layers} are trained; expected at most "
                f"{self.trainable_layers}",
                "reset",
                "trainable_layers",
            )
        return self

    @model_validator(mode="after")
    def _method_kept(self) -> Self:
        for key, settled in METHODS[self.method].settled.items():
            value = value_at(self, key)
            if value != settled:
                conflict(
                    f"{key} {value} contradicts method {self.method}, which has {settled}; expected {settled}, no such "
                    "key, or method harness",
                    key,
                    "method",
                )
        return self


class MemoryBudget(Section):
    """What a run may use. The platform's own memory limits it too; the smaller holds."""

    ram_budget: Annotated[int, SizeBounds(_KIB, 64 * _MIB)] | None = Field(
        None, description="RAM for arena, data and stack; not given, all RAM of the platform", examples=["64 KiB"]
    )
    flash_budget: Annotated[int, SizeBounds(_KIB, 256 * _MIB)] | None = Field(
        None, description="flash for code and constants; not given, all flash of the platform", examples=["512 KiB"]
    )
    stack: Annotated[int, SizeBounds(256, _MIB)] = Field(
        2 * _KIB, description="part of the RAM that is kept for the stack", examples=["2 KiB"]
    )

    @model_validator(mode="after")
    def _stack_fits(self) -> Self:
        if self.ram_budget is not None and self.stack >= self.ram_budget:
            conflict(
                f"a stack of {self.stack} bytes leaves nothing of the RAM budget of {self.ram_budget} bytes; "
                "expected a stack smaller than ram_budget",
                "stack",
                "ram_budget",
            )
        return self


class Sampling(Section):
    """Which minibatches are emulated with `steps: sampled`: drawn anywhere in the training, which the twin does whole.

    The training is cut into strata, equally long spans that follow each other.
    """

    strata: int = Field(8, ge=1, le=4096, description="spans that the training is cut into", examples=[8])
    samples: int = Field(
        2,
        ge=1,
        le=4096,
        description="samples drawn at random in each stratum; with one, neighbouring strata have to tell how much "
        "samples vary, which makes the interval wider",
        examples=[2],
    )
    minibatches: int = Field(
        1, ge=1, le=4096, description="minibatches of a sample, one behind the other", examples=[1]
    )
    seed: int = Field(1, ge=0, lt=SEED_LIMIT, description="seed of the drawing", examples=[1])

    @model_validator(mode="after")
    def _more_than_one(self) -> Self:
        if self.strata * self.samples == 1:
            conflict("one sample tells no interval; expected two samples or strata", "samples", "strata")
        return self


class EngineChoice(Section):
    """What executes the firmware, and how much of the training it executes."""

    name: EngineName = Field(
        "unicorn",
        description="the engine: `unicorn` runs in this process, `renode` is a program of its own; both count the same",
        examples=["renode"],
    )
    fidelity: Fidelity = Field(
        "profile",
        description="what is counted: `profile` every address, phase and layer; `count`, of `renode` only, classes of "
        "instructions by phase and layer: faster, for long runs, with coarser cycles and nothing to explain",
        examples=["count"],
    )
    steps: Steps = Field(
        64,
        description="training steps that are emulated and compared with the twin: so many from the first on; `all` "
        "emulates the whole training; `sampled` minibatches drawn from all of it, as `sampling` says",
        examples=[64, "all", "sampled"],
    )
    sampling: Sampling = Field(default_factory=Sampling, description="the drawing of `steps: sampled`")
    evaluate: int = Field(
        16, ge=0, le=1_000_000, description="test samples evaluated in emulation after the last step", examples=[16]
    )
    cache: CacheModel = Field(
        "assume",
        description="how misses of the board's caches are found: `assume` takes hit rates, which gives the time a wide "
        "range; `simulate` replays fetches and loads from slow memory through a model of the caches: slower",
        examples=["simulate"],
    )
    cpi: CyclesPerInstruction = Field(
        "one",
        description="what cycle counters in the emulated chip show, DWT and SysTick: `one` cycle an instruction, or on "
        "average over a training step as many as the cycle `model` says; only `renode` has such counters",
        examples=["model"],
    )
    timeout_s: float = Field(
        600.0, gt=0, le=86_400, description="seconds after which an emulation is ended as failed", examples=[600]
    )

    @model_validator(mode="after")
    def _offered_by_the_engine(self) -> Self:
        if self.name == "renode" and self.cache == "simulate":
            conflict("Renode does not simulate caches; expected name: unicorn, or cache: assume", "cache", "name")
        if self.name == "unicorn" and self.fidelity == "count":
            conflict("Unicorn counts every address; expected fidelity: profile, or name: renode", "fidelity", "name")
        return self

    @model_validator(mode="after")
    def _counted_by_renode(self) -> Self:
        if self.name == "unicorn" and self.cpi == "model":
            conflict("the engine unicorn has no cycle counters; expected name: renode, or cpi: one", "cpi", "name")
        return self


class Scenario(Section):
    """One run: a model trained on a data set within a budget on one platform, with every matrix key fixed."""

    name: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="short name of letters, digits, `.`, `_` and `-`; stands in labels and file names",
        examples=["quickstart"],
    )
    description: str = Field(
        "", max_length=2000, description="what the scenario shows, for people", examples=["What does uint8 cost?"]
    )
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default_factory=list, max_length=32, description="words to select scenarios by", examples=[["nightly", "small"]]
    )
    model: ModelChoice = Field(description="the network")
    dataset: DatasetChoice = Field(description="the data")
    training: Training = Field(default_factory=Training, description="how it is trained on the device")
    pretraining: Pretraining = Field(default_factory=Pretraining, description="training on the host before deployment")
    memory: MemoryBudget = Field(default_factory=MemoryBudget, description="what a run may use")
    platform: PlatformName = Field(description="the board", examples=["nrf52840"])
    engine: EngineChoice = Field(default_factory=EngineChoice, description="what executes the firmware")

    _source: Source = PrivateAttr(default_factory=Source)
    _imported: tuple[Network, NetworkWeights] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _enough_samples(self) -> Self:
        visits = self.dataset.train * self.training.epochs
        if isinstance(self.engine.steps, int) and self.engine.steps > visits:
            conflict(
                f"{self.engine.steps} steps, but the training has only {visits}; expected at most {visits}, or 'all'",
                "engine.steps",
                "training.epochs",
                "dataset.train",
            )
        sampling = self.engine.sampling
        wanted = sampling.strata * sampling.samples * sampling.minibatches
        minibatches = -(-self.dataset.train // self.training.batch_size) * self.training.epochs
        if self.engine.steps == "sampled" and wanted > minibatches:
            conflict(
                f"{wanted} minibatches, but the training has only {minibatches}; expected fewer strata, samples or "
                "minibatches, or steps: all",
                "engine.sampling.strata",
                "engine.sampling.samples",
                "engine.sampling.minibatches",
                "engine.steps",
                "training.epochs",
                "dataset.train",
            )
        if self.engine.evaluate > self.dataset.test:
            conflict(
                f"{self.engine.evaluate} samples, but dataset.test is {self.dataset.test}; "
                f"expected at most {self.dataset.test}",
                "engine.evaluate",
                "dataset.test",
            )
        return self

    @property
    def label(self) -> str:
        """Return the name with the matrix values of this run: `quickstart[nrf52840,uint8,0.1]`."""
        return f"{self.name}[{self._source.variant}]" if self._source.variant else self.name

    @property
    def id(self) -> str:
        """Return a short name of all settings: the same scenario has the same id everywhere."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def file(self) -> str:
        """Return the file the scenario was read from, or an empty text."""
        return self._source.file

    @property
    def matrix_values(self) -> dict[str, Any]:
        """Return the dotted keys that the matrix fixed for this run, with their checked values."""
        return {key: self.value(key) for key in self._source.overrides}

    def value(self, key: str) -> Any:
        """Return the value at a dotted key such as `training.dtype`."""
        return value_at(self, key)

    def locate(self, key: str) -> str:
        """Return `file:line:column` of a key such as `memory.ram_budget` or `model.layers[2].filters`.

        The place is that of the value, in the matrix when it comes from there, or of the nearest section that was
        written when the key itself was not. A scenario that no file describes is located by its name.
        """
        return self._source.locate(key) or self.name

    def origin(self) -> Origin:
        """Return where the samples come from; raise InputError when the scenario may not read there."""
        return self.dataset.origin(self.file)

    def dataset_info(self) -> DatasetInfo:
        """Return shape, classes and source of the data set.

        Raises InputError when its files are the user's and are missing or damaged, or may not be read.
        """
        return describe(self.origin())

    def network(self) -> Network:
        """Return the named network, or the one of the layers or the ONNX file for the data set's shape.

        Raises InputError when the ONNX file cannot be read as one, MissingToolError without the package onnx.
        """
        if self.model.layers is not None:
            return network_of_layers(self.model.layers, self.dataset_info().shape)
        if self.model.onnx is not None:
            return self._onnx()[0]
        assert self.model.name is not None
        return load_network(self.model.name)

    @property
    def brings_weights(self) -> bool:
        """Say whether the network comes with weights, in place of ones that are drawn."""
        return self.model.weights is not None or self.model.onnx is not None

    @property
    def pretraining_skips(self) -> int:
        """Return how many training samples of its data set the pretraining leaves to the device.

        There are none to leave when the device trains on held-out subjects or loads, or on another data set.
        """
        groups = self.dataset.treatment().shift.groups
        return self.dataset.train if self.pretraining.dataset in (None, self.dataset.name) and not groups else 0

    def on_host(self) -> Scenario:
        """Return the scenario of the pretraining by itself; raise InputError when its data set is not there."""
        pretraining, dataset = self.pretraining, self.dataset
        train = pretraining.train or dataset.train
        if pretraining.dataset in (None, dataset.name):
            data = dataset.unshifted().model_copy(update={"train": train, "augment": AugmentationChoice()})
        else:
            assert pretraining.dataset is not None
            data = DatasetChoice(name=pretraining.dataset, train=train, test=dataset.test, seed=dataset.seed)
        training = Training(
            epochs=pretraining.epochs,
            batch_size=pretraining.batch_size,
            learning_rate=pretraining.learning_rate,
            schedule=pretraining.schedule,
            optimizer=pretraining.optimizer,
            dtype="float32",
            seed=pretraining.seed,
            update=Update(policy="full"),
        )
        return self.model_copy(update={"dataset": data, "pretraining": Pretraining(), "training": training})

    def without_reset(self) -> Scenario:
        """Return the scenario with no layer reset."""
        return self.model_copy(update={"training": self.training.model_copy(update={"reset": 0})})

    def onnx_weights(self) -> NetworkWeights | None:
        """Return the weights of the ONNX file, or None when the network is from elsewhere; raises as `network`."""
        return None if self.model.onnx is None else self._onnx()[1]

    def _onnx(self) -> tuple[Network, NetworkWeights]:
        assert self.model.onnx is not None
        if self._imported is None:
            self._imported = read_onnx(permitted_path(self.model.onnx, self.file), self.dataset_info().shape)
        return self._imported
