"""Two result sets held against each other, on invented results: what is worse, by which limit, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from synthetic_results import document, estimate, failed, provenance, seeded

from harness.errors import InputError
from harness.report.verdict_text import WIDTH, verdict_text
from harness.result import Counts, Document
from harness.verdict import Comparison, ResultSet, Thresholds, compare, default_thresholds, read_thresholds
from harness.verdict.alignment import Alignment
from harness.verdict.significance import drop_evidence


def held(before: Sequence[Document], after: Sequence[Document], thresholds: Thresholds | None = None) -> Comparison:
    limits = thresholds or read_thresholds(default_thresholds())
    return compare(ResultSet("a", Path("a"), tuple(before)), ResultSet("b", Path("b"), tuple(after)), limits)


def limits(folder: Path, text: str) -> Thresholds:
    path = folder / "limits.yaml"
    path.write_text(text)
    return read_thresholds(path)


def grown(one: Document, phase: str, layer: str, instructions: float) -> Document:
    """Return a run with more instructions in one phase and layer."""
    assert one.counts is not None
    parts = tuple(
        part.model_copy(update={"instructions_per_step": part.instructions_per_step + instructions})
        if (part.phase, part.layer_name) == (phase, layer)
        else part
        for part in one.counts.by_layer
    )
    by_phase = one.counts.by_phase | {phase: one.counts.by_phase[phase] + instructions}
    counts = Counts(
        instructions_per_step=one.counts.instructions_per_step + instructions,
        instructions_total=one.counts.instructions_total,
        by_phase=by_phase,
        by_layer=parts,
    )
    return one.model_copy(update={"counts": counts})


def changed_memory(one: Document, **changes: int) -> Document:
    assert one.memory is not None
    return one.model_copy(update={"memory": one.memory.model_copy(update=changes)})


def test_equal_results_are_no_regression_and_nothing_moved() -> None:
    runs = [document(), document("float32")]
    comparison = held(runs, runs)
    assert not comparison.regressed
    assert verdict_text(comparison).startswith("no regression: 2 runs, nothing moved\n")


def test_one_more_instruction_is_a_regression_that_names_run_phase_and_layer() -> None:
    other = document("float32")
    comparison = held([document(), other], [grown(document(), "backward", "conv2", 1), other])
    (run,) = comparison.worse
    assert [(change.metric.name, change.delta, change.judgement) for change in run.changes] == [
        ("instructions_per_step", pytest.approx(1), "regression")
    ]
    assert run.movement is not None
    assert [part.names for part in run.movement.layers] == [("backward", "conv2")]
    text = verdict_text(comparison)
    assert text.startswith("REGRESSION: 1 of 2 runs worse\n")
    assert "uint8, 0.1, nrf52840\n" in text
    assert "no functions and lines: a: uint8, 0.1, nrf52840 was stored without its trace" in " ".join(text.split())


def test_fewer_instructions_are_an_improvement() -> None:
    comparison = held([document()], [grown(document(), "forward", "conv1", -500)])
    assert not comparison.regressed
    assert comparison.runs[0].improved
    assert "no regression: 1 run, 1 better" in verdict_text(comparison)


def test_growth_and_amount_must_both_be_exceeded(tmp_path: Path) -> None:
    base = document()
    assert base.counts is not None
    total = base.counts.instructions_per_step
    text = "metrics:\n  instructions_per_step: {growth: 1 %, amount: 10000}\n"
    thresholds = limits(tmp_path, text)
    for more, regressed in ((0.009 * total, False), (0.011 * total, 0.011 * total > 10000), (20000, True)):
        more = max(more, 0)
        comparison = held([base], [grown(base, "forward", "conv1", more)], thresholds)
        assert comparison.regressed is (more > 0.01 * total and more > 10000) is regressed


def test_limits_of_a_pattern_hold_for_the_runs_it_matches_only(tmp_path: Path) -> None:
    text = """
metrics:
  ram_bytes: {}
scenarios:
  "*rp2040":
    ram_bytes: {growth: 10 %}
  "uint8, 1.0*":
    ram_bytes: {judge: false}
"""
    runs = [document(platform="nrf52840"), document(platform="rp2040"), document(ratio=1.0)]
    after = [changed_memory(run, ram_bytes=run.memory.ram_bytes + 8) for run in runs if run.memory]
    comparison = held(runs, after, limits(tmp_path, text))
    assert [run.changes[0].judgement for run in comparison.runs] == ["regression", "tolerated", "tolerated"]
    assert comparison.runs[2].changes[0].reason == "not judged"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "metrics:\n  ram_byte: {}\n",
            r"limits\.yaml:2:3: metrics\.ram_byte: unknown metric 'ram_byte'; .*'ram_bytes'\?",
        ),
        ("metrics:\n  ram_bytes: {grow: 1 %}\n", r"limits\.yaml:2:15: .*grow: unknown key; .* did you mean 'growth'\?"),
        ("metrics:\n  ram_bytes: {growth: a lot}\n", r"limits\.yaml:2:23: .*'a lot' is no ratio; expected"),
        ("metrics:\n  ram_bytes: {amount: -1}\n", r"limits\.yaml:2:23: .*-1.*expected a number in the unit"),
        ("metrics:\n  ram_bytes: {significance: 0.1}\n", r"limits\.yaml:2:29: .*expected it at accuracy_test only"),
        ("scenarios: {}\n", r"limits\.yaml:1:1: metrics: missing key; expected a mapping"),
        ("metrics: [1]\n", r"limits\.yaml:1:10: metrics: .*expected a mapping from metrics to limits"),
        ("metrics:\n  ram_bytes: 3\n", r"limits\.yaml:2:14: metrics\.ram_bytes: .*expected limits such as"),
    ],
)
def test_a_wrong_threshold_is_named_by_line_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        limits(tmp_path, text)


def test_a_compiler_and_a_cycle_model_are_named_before_the_code() -> None:
    base = document()
    assert base.estimates is not None
    older = provenance()
    newer = older.model_copy(
        update={
            "tools": older.tools | {"arm-none-eabi-gcc": "13.2.1"},
            "compiler_flags": ("-O3", *older.compiler_flags[1:]),
            "cycle_model": "pipeline-m4f-2",
        }
    )
    cycles = estimate(base.estimates.cycles_per_step.value * 1.1, "pipeline-m4f-2", "+-5 %")
    estimates = base.estimates.model_copy(update={"cycles_per_step": cycles})
    comparison = held([base], [base.model_copy(update={"provenance": newer, "estimates": estimates})])
    (run,) = comparison.runs
    assert [cause.what for cause in run.causes] == ["compiler", "compiler flags", "cycle model"]
    text = verdict_text(comparison)
    assert "compiler: 12.2.1 -> 13.2.1" in text
    assert "compiler flags: -O2 -> -O3" in text
    assert "cycle model: cortex-m4f-table -> pipeline-m4f-2" in text
    assert text.index("compiler: 12.2.1") < text.index("cycles a step")


def test_runs_are_matched_by_settings_and_else_by_name() -> None:
    base = document()
    renamed = base.model_copy(update={"run": base.run.model_copy(update={"label": "another label"})})
    assert not held([base], [renamed]).regressed
    varied = base.settings | {"training": base.settings["training"] | {"epochs": 9}}  # type: ignore[operator]
    moved = base.model_copy(update={"run": base.run.model_copy(update={"id": "fresh"}), "settings": varied})
    (run,) = held([base], [moved]).runs
    assert [(cause.what, cause.before, cause.after) for cause in run.causes] == [("setting epochs", "3", "9")]


def test_runs_that_broke_came_went_or_fail_as_before_are_told_apart() -> None:
    sick, other = failed(), document("float32")
    well = document().model_copy(update={"run": sick.run})
    assert [run.state for run in held([well, other], [sick]).runs] == ["broken", "gone"]
    assert held([well, other], [sick]).regressed
    assert "1 run failed, and did not before" in verdict_text(held([well, other], [sick]))
    assert [run.state for run in held([sick], [well]).runs] == ["repaired"]
    comparison = held([sick, other], [sick, other, document()])
    assert [run.state for run in comparison.runs] == ["failing", "compared", "new"]
    assert not comparison.regressed


def test_results_without_a_common_run_are_refused() -> None:
    with pytest.raises(InputError, match="a and b have no run in common"):
        held([document()], [document("float32")])


def test_accuracy_is_judged_over_seeds_by_an_exact_test() -> None:
    before = (0.95, 0.94, 0.96, 0.95, 0.93)
    worse = held(seeded(before), seeded([value - 0.02 for value in before]))
    (group,) = worse.accuracies
    assert worse.regressed
    assert group.p == pytest.approx(1 / 32)
    assert group.test == "exact paired permutation, 5 seeds"
    assert group.seeds == (1, 2, 3, 4, 5)
    noisy = held(seeded(before), seeded((0.93, 0.97, 0.95, 0.94, 0.90)))
    assert not noisy.regressed
    assert noisy.accuracies[0].change.judgement == "tolerated"
    tiny = held(seeded(before), seeded([value - 0.001 for value in before]))
    assert not tiny.regressed, "a drop that is certain and smaller than the limit is tolerated"
    better = held(seeded(before), seeded([value + 0.02 for value in before]))
    assert better.accuracies[0].change.judgement == "improvement"
    assert "p = 0.0312" in verdict_text(worse)
    assert "-2.00 points: WORSE" in verdict_text(worse)


def test_a_single_seed_counts_only_beyond_its_own_limit() -> None:
    (group,) = held(seeded((0.95,)), seeded((0.92,))).accuracies
    assert (group.p, group.change.judgement) == (None, "tolerated")
    assert held(seeded((0.95,)), seeded((0.80,))).regressed


def test_other_seeds_go_through_welchs_test() -> None:
    before, other = seeded((0.95, 0.94, 0.96)), seeded((0.0, 0.0, 0.0, 0.80, 0.81, 0.82))[3:]
    reseeded = [run for run in other if run.settings["training"]["seed"] > 3]  # type: ignore[call-overload,index,operator]
    assert len(reseeded) == 3
    # A run in common, so that the sets can be compared at all.
    (group,) = held([*before, document("float32")], [*reseeded, document("float32")]).accuracies
    assert group.test == "Welch's t-test, 3 and 3 seeds"
    assert group.p is not None
    assert group.p < 0.001


def test_the_permutation_test_counts_all_arrangements_of_signs() -> None:
    # Differences -3, -2, 1, -1, -1: of the 32 sums of +-3 +-2 +-1 +-1 +-1, those at most -6 are -8 (1) and -6 (3).
    before = [10.0] * 5
    assert drop_evidence(before, [7.0, 8.0, 11.0, 9.0, 9.0], paired=True).p == pytest.approx(4 / 32)
    assert drop_evidence(before, before, paired=True).p == 1.0


def test_bytes_are_told_by_section() -> None:
    base = document()
    assert base.memory is not None
    sections = base.memory.flash_by_section | {".text": base.memory.flash_by_section[".text"] + 900}
    after = changed_memory(base, flash_bytes=base.memory.flash_bytes + 900)
    assert after.memory is not None
    after = after.model_copy(update={"memory": after.memory.model_copy(update={"flash_by_section": sections})})
    comparison = held([base], [after])
    assert comparison.regressed
    assert "+900" in next(line for line in verdict_text(comparison).splitlines() if line.startswith("  .text"))


def test_every_line_of_the_text_fits_an_e_mail() -> None:
    long = "a-very-long-scenario-name-" * 5
    runs = [document("uint8", ratio) for ratio in (1.0, 0.5, 0.1)]
    runs = [
        run.model_copy(update={"run": run.run.model_copy(update={"label": f"{long}[{run.run.label}]"})}) for run in runs
    ]
    after = [
        grown(changed_memory(run, ram_bytes=10**9, stack_peak_bytes=10**9), "forward", "conv1", 10**12) for run in runs
    ]
    before = [*runs, *seeded((0.95, 0.94), dtype="float32")]
    comparison = held(before, [*after, *seeded((0.55, 0.54), dtype="float32"), failed(reason="no " * 200)])
    assert max(len(line) for line in verdict_text(comparison).splitlines()) <= WIDTH


def test_a_line_that_moved_is_the_same_line_and_a_rewritten_one_is_told() -> None:
    before = "int a;\nfor (int i = 0; i < n; i++) {\n    sum += x[i];\n}\nreturn sum;\n"
    after = (
        "/* 1 */\n/* 2 */\nint a;\nfor (int i = 0; i < n + 1; i++) {\n    sum += x[i];\n    more();\n}\nreturn sum;\n"
    )
    lines = Alignment(before, after)
    assert [lines.earlier(number) for number in range(1, 9)] == [None, None, 1, 2, 3, None, 4, 5]
    assert [number for number in range(1, 9) if lines.is_rewritten(number)] == [1, 2, 4, 6]
