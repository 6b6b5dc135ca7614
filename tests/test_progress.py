"""Progress as people see it: bars on a recorded console, plain lines in a stream, driven with a clock of its own."""

from __future__ import annotations

import io

import pytest
import synthetic_results
from rich.console import Console

from harness.cli.progress import PLAIN_INTERVAL_S, PlainProgress, TerminalProgress, duration
from harness.pipeline import Stage
from harness.result import Document


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def ok(label: str) -> Document:
    document = synthetic_results.document()
    return document.model_copy(update={"run": document.run.model_copy(update={"label": label})})


def failed(label: str, reason: str) -> Document:
    document = synthetic_results.failed(reason)
    return document.model_copy(update={"run": document.run.model_copy(update={"label": label})})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3600, "1 h 00 min"),
        (12_060, "3 h 21 min"),
    ],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


class Plain:
    def __init__(self, runs: int) -> None:
        self.clock, self.stream = Clock(), io.StringIO()
        self.progress = PlainProgress(runs, self.stream, self.clock)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


def test_plain_lines_say_what_each_run_does_and_when() -> None:
    plain = Plain(2)
    with plain.progress as progress:
        progress.stage("a", Stage.BUILD)
        plain.clock.now_s += 2.5
        progress.stage("a", Stage.EMULATE)
    assert plain.lines == ["[   0.0 s] a: building", "[   2.5 s] a: emulating"]


def test_plain_steps_are_told_now_and_then_with_the_time_left() -> None:
    plain = Plain(1)
    plain.progress.stage("a", Stage.EMULATE)
    for done in range(1, 65):
        plain.clock.now_s += 0.5
        progress_before = len(plain.lines)
        plain.progress.steps("a", done, 64)
        assert len(plain.lines) - progress_before == (done * 0.5 % PLAIN_INTERVAL_S == 0)
    assert plain.lines[1:] == [
        "[  10.0 s] a: 20 of 64 steps, 22 s left",
        "[  20.0 s] a: 40 of 64 steps, 12 s left",
        "[  30.0 s] a: 60 of 64 steps, 2 s left",
    ]


def test_a_plain_outcome_has_accuracy_emulated_steps_and_the_time_left_of_the_suite() -> None:
    plain = Plain(3)
    plain.clock.now_s += 60
    plain.progress.finished(ok("a"))
    plain.clock.now_s += 20
    plain.progress.finished(failed("b", "no room"))
    plain.progress.finished(ok("c"))
    document = ok("a")
    assert document.accuracy is not None
    assert document.agreement is not None
    good = f"ok, accuracy {document.accuracy.test:.1%}, {document.agreement.steps_emulated} steps emulated"
    assert plain.lines == [
        f"[  60.0 s] a: {good} (1 of 3 runs, 2 min 00 s left)",
        "[  80.0 s] b: failed: no room (2 of 3 runs, 40 s left)",
        f"[  80.0 s] c: {good} (3 of 3 runs)",
    ]


class Terminal:
    """The bars as they are on the screen now, and what was printed above them."""

    def __init__(self, runs: int, width: int = 100) -> None:
        self.clock = Clock()
        self.console = Console(
            file=io.StringIO(), width=width, height=40, force_terminal=True, color_system=None, record=True
        )
        self.progress = TerminalProgress(runs, self.console, self.clock)

    @property
    def bars(self) -> list[str]:
        with self.console.capture() as capture:
            self.console.print(self.progress._progress.get_renderable())
        return capture.get().splitlines()


def test_a_bar_shows_stage_run_steps_and_time_left() -> None:
    terminal = Terminal(18)
    terminal.progress.stage("quick[rp2040,uint8,0.1]", Stage.EMULATE)
    terminal.clock.now_s += 6
    terminal.progress.steps("quick[rp2040,uint8,0.1]", 24, 64)
    suite, run = terminal.bars
    assert suite.startswith("all runs ")
    assert "0/18 runs" in suite
    assert run.startswith("emulating quick[rp2040,uint8,0.1] ")
    assert "24/64 steps" in run
    assert "0:00:06" in run
    assert run.rstrip().endswith("10 s left")
    terminal.clock.now_s += 4
    assert terminal.bars[1].rstrip().endswith("6 s left")


def test_nothing_unknown_is_shown() -> None:
    terminal = Terminal(2)
    terminal.progress.stage("a", Stage.CALIBRATE)
    text = "\n".join(terminal.bars)
    for word in ("None", "?", "-:--", "left"):
        assert word not in text


def test_a_long_label_keeps_its_end_the_stage_and_the_numbers_on_one_line() -> None:
    terminal = Terminal(2, width=80)
    label = "a-very-long-name-of-a-scenario-that-someone-wrote[imxrt1062,float32,0.5,constant,stochastic]"
    terminal.progress.stage(label, Stage.TRAIN)
    terminal.clock.now_s += 3
    terminal.progress.steps(label, 1000, 5000)
    bars = terminal.bars
    assert len(bars) == 2
    assert max(map(len, bars)) <= 80
    assert bars[1].startswith("training …")
    assert "0.5,constant,stochastic] " in bars[1]
    assert "1000/5000 steps" in bars[1]
    assert "12 s left" in bars[1]


def test_a_new_stage_begins_without_the_numbers_of_the_last() -> None:
    terminal = Terminal(1)
    terminal.progress.stage("a", Stage.TRAIN)
    terminal.clock.now_s += 3
    terminal.progress.steps("a", 50, 100)
    terminal.progress.stage("a", Stage.EMULATE)
    assert terminal.bars[1].startswith("emulating a")
    assert "steps" not in terminal.bars[1]
    assert "left" not in terminal.bars[1]


def test_a_finished_run_leaves_the_screen_and_moves_the_suite() -> None:
    terminal = Terminal(4)
    for label in ("a", "b"):
        terminal.progress.stage(label, Stage.PRICE)
    terminal.clock.now_s += 30
    terminal.progress.finished(ok("a"))
    suite, run = terminal.bars
    assert "1/4 runs" in suite
    assert suite.rstrip().endswith("1 min 30 s left")
    assert run.startswith("pricing b")


def test_a_failed_run_says_why_above_the_bars() -> None:
    terminal = Terminal(1)
    with terminal.progress as progress:
        progress.stage("a[rp2040]", Stage.BUILD)
        progress.finished(failed("a[rp2040]", "12 bytes [too] large"))
    assert "a[rp2040]: failed: 12 bytes [too] large\n" in terminal.console.export_text()


def test_a_run_that_is_cut_off_leaves_no_bar() -> None:
    terminal = Terminal(2)
    with terminal.progress as progress:
        progress.stage("a", Stage.BUILD)
    assert len(terminal.bars) == 1


def test_no_time_is_left_at_the_end() -> None:
    terminal = Terminal(1)
    terminal.progress.finished(ok("a"))
    assert "left" not in terminal.bars[0]
