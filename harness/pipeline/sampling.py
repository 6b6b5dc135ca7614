"""Which parts of a training are emulated when it is sampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.scenario import Scenario


@dataclass(frozen=True)
class Sample:
    """Whole minibatches in a row: `steps` steps behind the first `first_step`, in the stratum with index `stratum`."""

    stratum: int
    first_step: int
    steps: int


@dataclass(frozen=True)
class Draw:
    """Samples in the order of the training, and the number of blocks that each stratum has."""

    samples: tuple[Sample, ...]
    blocks: tuple[int, ...]

    @property
    def bounds(self) -> list[int]:
        """Return the steps at which samples begin and end."""
        begins = {sample.first_step for sample in self.samples}
        ends = {sample.first_step + sample.steps for sample in self.samples}
        return sorted((begins | ends) - {0})

    @property
    def weights(self) -> tuple[int, ...]:
        """Return how much each sample counts, in small whole numbers: as many are drawn of each stratum."""
        common = int(np.gcd.reduce(self.blocks))
        return tuple(self.blocks[sample.stratum] // common for sample in self.samples)

    @property
    def weighted_steps(self) -> int:
        """Return the steps of all samples, each as often as it counts."""
        return sum(weight * sample.steps for weight, sample in zip(self.weights, self.samples, strict=True))


def blocks_of(scenario: Scenario) -> list[tuple[int, int]]:
    """Return the blocks that samples are drawn from: first step and number of steps.

    A block is `engine.sampling.minibatches` minibatches in a row, which may belong to two epochs; the last is shorter
    when they do not come out even.
    """
    train, batch = scenario.dataset.train, scenario.training.batch_size
    begins = [epoch * train + begin for epoch in range(scenario.training.epochs) for begin in range(0, train, batch)]
    firsts = begins[:: scenario.engine.sampling.minibatches]
    ends = [*firsts[1:], train * scenario.training.epochs]
    return [(first, end - first) for first, end in zip(firsts, ends, strict=True)]


def draw(scenario: Scenario) -> Draw:
    """Draw blocks without replacement from strata that follow each other and differ by a block at most."""
    sampling = scenario.engine.sampling
    generator = np.random.default_rng(sampling.seed)
    blocks = blocks_of(scenario)
    strata = np.array_split(np.arange(len(blocks)), sampling.strata)
    samples = [
        Sample(number, *blocks[index])
        for number, stratum in enumerate(strata)
        for index in sorted(generator.choice(stratum, sampling.samples, replace=False).tolist())
    ]
    return Draw(tuple(samples), tuple(len(stratum) for stratum in strata))
