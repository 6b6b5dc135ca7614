"""What stands for the paper's data sets and net in transfer learning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StandIn:
    """A column of the paper, our data set and net for it, and the end of the names of its scenarios."""

    paper: str
    key: str
    dataset: str
    network: str

    @property
    def text(self) -> str:
        """Return data set and net in a few words."""
        return f"{self.dataset}, {self.network}"


TRANSFER = (
    StandIn("animals", "animals", "animals", "half MbedNet"),
    StandIn("speech", "speech", "spoken-digits", "DS-CNN"),
    StandIn("daliac", "activity", "imu-activity", "1-D CNN"),
    StandIn("cwru", "bearing", "bearing", "1-D CNN"),
)

SCRATCH = (
    StandIn("fmnist", "fashion", "fashion-mnist", "small CNN"),
    StandIn("emnist_digits", "mnist", "mnist", "small CNN"),
)

OF_TRANSFER = (
    "Data: silhouettes of 28x28 pixels stand for the paper's photographs of animals, ten spoken digits for speech "
    "commands, shoulder exercises by one wrist sensor for daliac, a public set of bearings for cwru; flowers, cifar10 "
    "and cifar100 have no stand-in, because no package ships such data.",
    "Nets: MbedNet's layers are not published. Ours for the animals has its kind of blocks at half the width of this "
    "project's net mbednet, so that float32 fits the board, too; the others are smaller nets. Those with five layers "
    "(activity, bearing) train their last three, not five.",
    "Training: the paper's method and five seeds, but minibatches of 16 at rate 0.003 for 10 epochs, where the paper's "
    "are not published; far fewer samples.",
)

OF_COST = (
    "Time is estimated by a model of the core and its memory system from exact counts of instructions; the paper "
    "measured a board. Compiler and kernels differ.",
)
