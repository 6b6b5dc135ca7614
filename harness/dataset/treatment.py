"""What is done to the samples of a run: another domain, normalisation, augmentation; all seeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from harness.dataset.distortion import Bytes, Distortion
from harness.dataset.info import DatasetInfo
from harness.dataset.normalisation import NormalisationName, Normalised
from harness.dataset.sample import SampleSet
from harness.errors import InputError

_SHIFT_STREAM, _AUGMENTATION_STREAM = 1, 2
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Shift:
    """Another domain: images turned by `rotation` degrees, noise of a deviation in real units, other subjects or loads.

    `groups` are held-out subjects or loads of the data set, `kind` says which.
    """

    rotation: float = 0.0
    noise: float = 0.0
    kind: str = ""
    groups: tuple[int, ...] = ()

    def apply(self, samples: SampleSet, seed: int) -> SampleSet:
        """Return training and test samples of the other domain; the labels stay."""
        if not (self.rotation or self.noise):
            return samples

        def shifted(x: Bytes, part: int) -> Bytes:
            angles = np.full(len(x), self.rotation) if self.rotation else None
            generator = np.random.Generator(np.random.PCG64((seed, _SHIFT_STREAM, part)))
            distortion = Distortion(angles_deg=angles, noise=self.noise)
            return distortion.apply(x, samples.scale, samples.zero_point, generator)

        return replace(samples, train_x=shifted(samples.train_x, 0), test_x=shifted(samples.test_x, 1))


@dataclass(frozen=True)
class Augmentation:
    """Random changes of each training sample: `versions` of it are drawn, and epochs take them in turn.

    `move` is the most rows and columns (of a series: time steps; of a spectrogram: frames) that a sample is moved,
    `rotation` the most degrees it is turned to either side, `flip` mirrors every other one, `noise` is the deviation of
    normal noise in real units.
    """

    versions: int = 1
    move: int = 0
    flip: bool = False
    rotation: float = 0.0
    noise: float = 0.0

    @property
    def is_none(self) -> bool:
        """Return whether nothing is changed."""
        return not (self.move or self.flip or self.rotation or self.noise)

    def apply(self, samples: SampleSet, seed: int) -> SampleSet:
        """Return a set with all versions of the training samples, version by version; test samples stay.

        Raises InputError when they take more than 1 GiB.
        """
        if self.is_none:
            return samples
        size = samples.train_x.nbytes * self.versions
        if size > _MOST_BYTES:
            raise InputError(
                f"dataset.augment.versions: {self.versions} versions of the training samples take {size} bytes; "
                f"expected at most {_MOST_BYTES}"
            )
        versions = [self._version(samples, seed, number) for number in range(self.versions)]
        return replace(
            samples,
            train_x=np.concatenate(versions),
            train_y=np.tile(samples.train_y, self.versions),
            versions=self.versions,
        )

    def _version(self, samples: SampleSet, seed: int, number: int) -> Bytes:
        generator = np.random.Generator(np.random.PCG64((seed, _AUGMENTATION_STREAM, number)))
        count = len(samples.train_x)
        height, width = samples.info.shape[:2]
        offsets = None
        if self.move:
            offsets = generator.integers(-self.move, self.move + 1, (count, 2))
            if height == 1:
                offsets[:, 0] = 0
            elif samples.info.is_spectrogram or width == 1:
                offsets[:, 1] = 0
        return Distortion(
            mirrored=generator.random(count) < 0.5 if self.flip else None,
            offsets=offsets,
            angles_deg=generator.uniform(-self.rotation, self.rotation, count) if self.rotation else None,
            noise=self.noise,
        ).apply(samples.train_x, samples.scale, samples.zero_point, generator)


@dataclass(frozen=True)
class Treatment:
    """All that is done to the samples of a run, in this order: shift, augmentation, normalisation.

    Levels of noise are in real units before normalisation. Statistics of the normalisation are of all training samples
    of the domain of the data set, however many are drawn, before they are shifted and augmented, so that a network
    which was trained there meets a shifted domain as it is.
    """

    shift: Shift = field(default_factory=Shift)
    augmentation: Augmentation = field(default_factory=Augmentation)
    normalise: NormalisationName = "usual"

    def problem(self, info: DatasetInfo) -> tuple[str, str] | None:
        """Return the key below `dataset` that does not fit the data set, and what is wrong; else None."""
        for key, used in (
            ("shift.rotation", self.shift.rotation),
            ("augment.rotation", self.augmentation.rotation),
            ("augment.flip", self.augmentation.flip),
        ):
            if used and not info.is_image:
                return key, f"is for images, and {info.name} has none; expected no such key"
        if self.augmentation.move and info.shape[0] == info.shape[1] == 1:
            return "augment.move", f"samples of {info.name} have neither rows nor time steps; expected no such key"
        if self.normalise == "centred" and not info.is_image:
            return "normalise", f"centred is for images, and {info.name} has none; expected usual, standard or sample"
        if self.shift.groups and self.shift.kind != info.groups:
            known = f"expected {info.groups}" if info.groups else "expected no such key"
            return f"shift.{self.shift.kind}", f"{info.name} does not tell {self.shift.kind} apart; {known}"
        strange = [group for group in self.shift.groups if group not in info.held_out]
        if strange:
            listed = ", ".join(map(str, info.held_out))
            return (
                f"shift.{self.shift.kind}",
                f"{strange[0]} is none of those that {info.name} keeps from training; expected some of {listed}",
            )
        return None

    def apply(self, samples: SampleSet, training_part: Callable[[], Bytes], seed: int) -> SampleSet:
        """Return `samples`, already those of the chosen groups, treated.

        `training_part` returns all samples of the data set's domain that may be trained on.
        """
        samples = self.augmentation.apply(self.shift.apply(samples, seed), seed)
        if self.normalise == "usual":
            return samples
        normalised = Normalised(self.normalise, training_part(), samples.scale, samples.zero_point)
        return replace(
            samples,
            train_x=normalised.apply(samples.train_x),
            test_x=normalised.apply(samples.test_x),
            scale=normalised.range.scale,
            zero_point=normalised.range.zero_point,
        )
