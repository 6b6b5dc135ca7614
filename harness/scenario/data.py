"""The part of a scenario that says which data, how much of them, and what is done to them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from harness.dataset import (
    OWN,
    Augmentation,
    NormalisationName,
    Origin,
    Shift,
    Treatment,
    dataset_info,
)
from harness.scenario.choice import DatasetName, Groups, Shape
from harness.scenario.permission import permitted_path
from harness.scenario.section import SEED_LIMIT, Section, conflict

_FileName = Annotated[str, Field(min_length=1, max_length=1024)]


class ShiftChoice(Section):
    """Another domain than that of the data set, for a task of adaptation: of training and test samples alike.

    A network trained beforehand on the data set has seen none of it.
    """

    rotation: float = Field(
        0.0, ge=-180, le=180, description="degrees by which images are turned counter-clockwise", examples=[15]
    )
    noise: float = Field(
        0.0,
        ge=0,
        le=10,
        description="deviation of normal noise, in the units of the usual normalisation: images have 0..1, others "
        "deviations of a channel",
        examples=[0.1],
    )
    subjects: Groups | None = Field(
        None,
        description="subjects that the data set keeps from training: of each recording of theirs, the earlier two "
        "thirds train and the rest tests",
        examples=[[8]],
    )
    loads: Groups | None = Field(
        None, description="motor loads that the data set keeps from training, used as `subjects` are", examples=[[3]]
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.subjects is not None and self.loads is not None:
            conflict("both subjects and loads; expected one of them", "loads")
        return self


class AugmentationChoice(Section):
    """Random changes of the training samples, drawn with dataset.seed and stored: twin and target see the same bytes.

    Each sample is drawn in several versions, which the epochs take in turn; there are as many steps as without.
    """

    versions: int = Field(
        4,
        ge=1,
        le=64,
        description="versions of each training sample; without effect when nothing is changed",
        examples=[8],
    )
    move: int = Field(
        0,
        ge=0,
        le=10_000,
        description="most rows and columns that an image is moved; of a series time steps, of a spectrogram frames",
        examples=[2],
    )
    flip: bool = Field(False, description="mirror every other image left to right, by chance", examples=[True])
    rotation: float = Field(
        0.0, ge=0, le=180, description="most degrees by which an image is turned to either side", examples=[10]
    )
    noise: float = Field(
        0.0, ge=0, le=10, description="deviation of normal noise, in the units of `shift.noise`", examples=[0.05]
    )


class DatasetChoice(Section):
    """The data, and how much of it."""

    name: DatasetName = Field(
        description="a data set the harness can load; `npz` or `csv` for a file of one's own",
        examples=["digits", "fashion-mnist"],
    )
    folder: _FileName | None = Field(
        None,
        description="the folder with the publisher's files, for a data set that no package ships; relative to the "
        "scenario file, the working folder or a folder that HARNESS_DATA lists, and in or below one of these; not "
        "given, the publisher's name of the folder",
        examples=["cifar-10-batches-bin"],
    )
    file: _FileName | None = Field(
        None,
        description="one's own samples, found as `folder` is: for `npz`, the arrays train_x, train_y, test_x and "
        "test_y, or x and y; for `csv`, a line of column names, then one sample a line",
        examples=["gestures.npz"],
    )
    test_file: _FileName | None = Field(
        None,
        description="CSV file of test samples; not given, one fifth of each class of `file` is for the test",
        examples=["gestures-test.csv"],
    )
    label: str = Field(
        "label",
        min_length=1,
        max_length=256,
        description="column of a CSV file that names the class",
        examples=["label"],
    )
    shape: Shape | None = Field(
        None,
        description="height, width and channels of a sample of one's own; not given, the values of a CSV line are "
        "channels, and those of `npz` samples are taken by the number of their dimensions",
        examples=[[1, 128, 6]],
    )
    train: int = Field(ge=1, le=1_000_000, description="number of training samples", examples=[1000])
    test: int = Field(ge=1, le=1_000_000, description="number of test samples, never trained on", examples=[400])
    seed: int = Field(
        1, ge=0, lt=SEED_LIMIT, description="which samples are drawn; the same seed draws the same", examples=[1]
    )

    normalise: NormalisationName = Field(
        "usual",
        description="`usual`: images 0..1, others each channel less its mean, divided by its deviation; `centred`: "
        "images -1..1; `standard`: each channel less its mean, divided by its deviation, of all training samples "
        "there are; `sample`: each sample less its own mean, divided by its own deviation",
        examples=["standard"],
    )
    shift: ShiftChoice = Field(
        default_factory=ShiftChoice, description="another domain than that of the data set, of all samples of the run"
    )
    augment: AugmentationChoice = Field(
        default_factory=AugmentationChoice, description="random changes of the training samples"
    )

    @model_validator(mode="after")
    def _keys_of_the_name(self) -> Self:
        is_own = self.name in OWN
        if is_own and self.file is None:
            conflict(f"no file for {self.name}; expected the key 'file'", "name")
        for key, allowed, where in (
            ("file", is_own, "npz or csv"),
            ("shape", is_own, "npz or csv"),
            ("test_file", self.name == "csv", "csv"),
            ("folder", not is_own and bool(dataset_info(self.name).obtain), "a data set of publisher's files"),
        ):
            if getattr(self, key) is not None and not allowed:
                conflict(f"{key} is not for {self.name}; expected it with the name {where}", key)
        return self

    def origin(self, scenario_file: str) -> Origin:
        """Return where the samples come from; raise InputError when the scenario may not read there."""
        if self.name in OWN:
            assert self.file is not None
            test_path = permitted_path(self.test_file, scenario_file) if self.test_file else None
            height, width, channels = self.shape or (0, 0, 0)
            shape = (height, width, channels) if self.shape else None
            return Origin(self.name, permitted_path(self.file, scenario_file), test_path, self.label, shape)
        folder = self.folder or dataset_info(self.name).folder
        return Origin(self.name, permitted_path(folder, scenario_file) if folder else None)

    def treatment(self) -> Treatment:
        """Return what is done to the samples."""
        shift, augment = self.shift, self.augment
        kind = "subjects" if shift.subjects else "loads" if shift.loads else ""
        return Treatment(
            Shift(shift.rotation, shift.noise, kind, tuple(sorted({*(shift.subjects or shift.loads or ())}))),
            Augmentation(augment.versions, augment.move, augment.flip, augment.rotation, augment.noise),
            self.normalise,
        )

    def unshifted(self) -> DatasetChoice:
        """Return the same data in the domain of the data set, which a network is trained on beforehand."""
        return self.model_copy(update={"shift": ShiftChoice()})
