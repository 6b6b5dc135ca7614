"""The result document: everything that is known about one run, as one JSON object."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

NO_LAYER = -1
"""The `layer` of work that belongs to a phase but to no layer."""

Bytes = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Run(_Part):
    """Which run this is. `id` is unique in a suite; `label` names what the matrix varies, for people."""

    id: str
    scenario: str
    label: str
    tags: tuple[str, ...] = ()
    file: str


class Epoch(_Part):
    """Training after `epoch` epochs (from 1). Accuracies are shares in 0..1; not every epoch is tested."""

    epoch: Annotated[int, Field(ge=1)]
    train_loss: float
    train_accuracy: Share
    test_accuracy: Share | None = None


class Accuracy(_Part):
    """How well the trained network classifies: `test` is a share in 0..1 of `test_samples`, `loss` their mean loss.

    `pretrained`, `deployed` and `reset` are such shares before the training on the device.
    """

    test: Share
    test_samples: Annotated[int, Field(ge=1)]
    loss: float
    by_epoch: tuple[Epoch, ...] = ()
    pretrained: Share | None = Field(
        default=None, description="of the network as the pretraining on the host left it, on test samples of its data"
    )
    deployed: Share | None = Field(
        default=None, description="of a network with pretrained weights as deployed, on the test samples"
    )
    reset: Share | None = Field(default=None, description="the same behind the reset of its last layers")


class Agreement(_Part):
    """What was compared between twin and target over the emulated steps, and whether every bit was the same."""

    steps_emulated: Annotated[int, Field(ge=1)]
    steps_total: Annotated[int, Field(ge=1)]
    records_equal: bool
    weights_equal: bool


class LayerCost(_Part):
    """Share of one phase and layer in a mean training step.

    `instructions_per_step` is exact; `cycles_per_step` is an estimate of the model named in
    `Estimates.cycles_per_step`. Work outside any layer has the layer `NO_LAYER` and an empty name.
    """

    phase: str
    layer: Annotated[int, Field(ge=NO_LAYER)]
    layer_name: str
    instructions_per_step: Cost
    cycles_per_step: Cost


class Counts(_Part):
    """Exact numbers of executed instructions.

    Per-step numbers are totals over the emulated training steps divided by their number, so they need not be whole;
    those of a sampled run (see `Sampling`) are means over the whole training, estimated from exact counts of samples.
    `by_phase` and `by_layer` each sum to `instructions_per_step`; phases outside the training step (`startup`,
    `evaluate`) stand only in `instructions_total`, which counts the emulation from reset to its end.
    """

    instructions_per_step: Cost
    instructions_total: Annotated[int, Field(ge=0)]
    by_phase: dict[str, Cost]
    by_layer: tuple[LayerCost, ...]

    @model_validator(mode="after")
    def _sums(self) -> Self:
        parts = {
            "by_phase": math.fsum(self.by_phase.values()),
            "by_layer": math.fsum(part.instructions_per_step for part in self.by_layer),
        }
        for name, total in parts.items():
            if not math.isclose(total, self.instructions_per_step, rel_tol=1e-6, abs_tol=1e-6):
                raise ValueError(f"{name} sums to {total}, not to instructions_per_step {self.instructions_per_step}")
        return self


class Estimate(_Part):
    """A number from a stated model, with the range that the counts leave open.

    `error` is how far the range may be off, in words a reader can quote ("±15 %").
    """

    value: Cost
    low: Cost
    high: Cost
    model: Annotated[str, Field(min_length=1)]
    error: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"expected low <= value <= high, not {self.low}, {self.value}, {self.high}")
        return self


class Estimates(_Part):
    """What the counts cost on the platform. `per_step` is a mean training step; `training` all steps of all epochs."""

    cycles_per_step: Estimate
    time_ms_per_step: Estimate
    energy_mj_per_step: Estimate
    training_time_s: Estimate
    training_energy_mj: Estimate


class Memory(_Part):
    """RAM and flash in bytes.

    `ram_bytes` is what the linker placed in RAM: `arena_bytes`, `data_bytes` (with initial values), `bss_bytes`
    (zeroed, without arena and stack) and `stack_reserved_bytes`. `arena_by_category` is the arena at the fullest
    moment of a step: `weights`, `activations`, `gradients`, `errors`, `quantization`, ... and `unused`, which
    placement and alignment leave. `stack_peak_bytes` is the deepest stack seen in emulation.
    """

    arena_bytes: Bytes
    arena_lower_bound_bytes: Bytes
    arena_by_category: dict[str, Bytes]
    data_bytes: Bytes
    bss_bytes: Bytes
    stack_reserved_bytes: Bytes
    stack_peak_bytes: Bytes
    ram_bytes: Bytes
    ram_budget_bytes: Bytes
    flash_bytes: Bytes
    flash_by_section: dict[str, Bytes]
    flash_budget_bytes: Bytes


class Interval(_Part):
    """A mean per step over the whole training, estimated from samples, and the ends of its confidence interval."""

    mean: Cost
    low: Cost
    high: Cost
    standard_error: Cost
    degrees_of_freedom: Cost


class SampleCost(_Part):
    """What one sample came to: `steps` steps behind the first `first_step` of the training."""

    stratum: Annotated[int, Field(ge=0)]
    first_step: Annotated[int, Field(ge=0)]
    steps: Annotated[int, Field(ge=1)]
    instructions_per_step: Cost
    cycles_per_step: Cost


class Sampling(_Part):
    """How the emulated steps stand for the whole training, when samples of it were emulated.

    Counts and estimates are then means over the whole training, estimated from the samples. `strata` says of how many
    blocks each stratum consists, `samples` which blocks were drawn, in the order of the training. The stored trace is
    the sum of all samples, each times the number of blocks in its stratum over their greatest common divisor, and
    holds so `weighted_steps` steps. Intervals have the given `confidence` (0..1).
    """

    strata: tuple[Annotated[int, Field(ge=1)], ...]
    samples: tuple[SampleCost, ...]
    weighted_steps: Annotated[int, Field(ge=1)]
    confidence: Share
    instructions_per_step: Interval
    by_phase: dict[str, Interval]
    cycles_per_step: Interval


class StoredFile(_Part):
    """A file beside the results: its name within the output folder, and the hash of its content."""

    name: str
    content: str


class Evidence(_Part):
    """What `harness explain` reads: the firmware as it ran, its trace, its plan.c, and the memory layout of its plan.

    `sources` is the hash of the sources of the firmware beside plan.c.
    """

    firmware: StoredFile
    trace: StoredFile
    layout: StoredFile
    plan: StoredFile
    sources: str


class Provenance(_Part):
    """What made the result, enough to make it again.

    `wall_s` is the wall time of each step of the pipeline in this run; the results of the steps that `cached` names
    were all there before, from this suite or an earlier one.
    """

    harness: str
    git_commit: str | None
    git_dirty: bool | None
    python: str
    tools: dict[str, str]
    compiler_flags: tuple[str, ...]
    seeds: dict[str, int]
    engine: str
    engine_version: str
    cycle_model: str
    created: AwareDatetime
    host: str
    wall_s: dict[str, Annotated[float, Field(ge=0)]]
    cached: tuple[str, ...] = ()


class Document(_Part):
    """One run. `settings` is the resolved scenario: `model`, `dataset`, `training`, `platform`, `core`, `clock_hz`, ...

    A run that is `ok` has every part; one that `failed` has its `reason` and the parts it got to.
    """

    schema_number: Literal[2] = Field(default=2, description="grows when a field changes its meaning or goes away")
    run: Run
    settings: dict[str, JsonValue]
    status: Literal["ok", "failed"]
    reason: str | None = None
    accuracy: Accuracy | None = None
    agreement: Agreement | None = None
    counts: Counts | None = None
    estimates: Estimates | None = None
    sampling: Sampling | None = Field(default=None, description="only of a run with `engine.steps: sampled`")
    memory: Memory | None = None
    updated_share: Share | None = Field(
        default=None, description="mean share of the structures of the trainable layers that got a gradient"
    )
    evidence: Evidence | None = None
    provenance: Provenance

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status == "failed":
            if not self.reason:
                raise ValueError("a failed run needs its reason")
            return self
        if self.reason is not None:
            raise ValueError("a run that is ok has no reason")
        parts = ("accuracy", "agreement", "counts", "estimates", "memory", "updated_share")
        missing = [name for name in parts if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a run that is ok needs {', '.join(missing)}")
        return self
