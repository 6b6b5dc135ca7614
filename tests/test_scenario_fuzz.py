"""Whatever a scenario file holds, the reader gives scenarios or clean lines, within its bounds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.scenario import Scenario, read_scenarios
from harness.scenario.document import MAX_NODES
from harness.scenario.matrix import MAX_RUNS

ROOT = Path(__file__).resolve().parent.parent
VALID = [path.read_text("utf-8") for path in sorted((ROOT / "scenarios").glob("*.yaml"))]
VALID += [
    """\
name: layers
model:
  layers:
    - {type: conv2d, filters: 4, kernel: 3, padding: 1, activation: relu}
    - {type: max_pool2d, size: 2}
    - {type: flatten}
    - &head {type: dense, units: 10}
dataset: {name: digits, train: 100, test: 50}
platform: &board rp2040
training: {quantization: {errors: fixed, smoothing: 0.5}, trainable_layers: 1, update: {min_ratio: 10 %}}
matrix:
  platform: [*board, nrf52840]
  exclude: [{platform: rp2040}]
  include: [{engine.steps: all}, {platform: imxrt1062, training.seed: 3}]
"""
]
WORDS = st.sampled_from(
    [
        *"{}[]:,-?&*!|>%@`\"'#~\t\n\\",
        *(
            ": ",
            "- ",
            "\n  ",
            "\n- ",
            "<<: ",
            "&a ",
            "*a",
            "!!str ",
            "!!int ",
            "!!binary ",
            "---\n",
            "...\n",
            "%YAML 1.1\n",
        ),
        *("yes", "no", "true", "null", "~", ".nan", "-.inf", "1e999", "0x1f", "0o17", "1_000", "1:30", "9" * 30, "-1"),
        *(
            "64 KiB",
            "50 %",
            "2001-01-01",
            "name",
            "model",
            "layers",
            "dataset",
            "training",
            "matrix",
            "include",
            "exclude",
        ),
        *(
            "platform",
            "rp2040",
            "training.dtype",
            "uint8",
            "digits",
            "digits-cnn",
            "\x00",
            "\x07",
            "\u2028",
            "\ud7ff",
            "é",
        ),
    ]
)
SLOW = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(content: bytes) -> list[Scenario] | InputError:
    """Read a file with this content; anything but scenarios or an InputError escapes and fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.yaml"
        path.write_bytes(content)
        try:
            return read_scenarios(path)
        except InputError as error:
            for line in error.lines:
                assert line.startswith(str(path))
                assert line.isprintable()
                assert len(line) < 3000
            return error


@SLOW
@given(st.binary(max_size=400))
def test_any_bytes_give_clean_lines(content: bytes) -> None:
    assert isinstance(read(content), InputError)


@SLOW
@given(st.lists(WORDS, max_size=60).map("".join))
@example("&a [*a, *a]")
@example("? ? ? ? a")
@example("? {a: 1}\n: 2")
@example("a: &a {b: *a}")
@example("name: !!binary aGVsbG8=")
@example("!!set {a, b}")
@example("!!omap [a: 1]")
@example("%YAML 9.9\n---\nname: a")
def test_text_made_of_yaml_pieces_gives_clean_lines(text: str) -> None:
    assert isinstance(read(text.encode("utf-8", "surrogatepass")), InputError)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid file with up to four pieces deleted, doubled, moved or replaced."""
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        piece = draw(st.one_of(st.just(""), WORDS, st.just(text[start:end] * 2), st.text(max_size=5)))
        text = text[:start] + piece + text[end:]
    return text


@SLOW
@given(mutated())
def test_mutated_scenarios_give_runs_or_clean_lines(text: str) -> None:
    result = read(text.encode("utf-8", "surrogatepass"))
    if isinstance(result, list):
        assert 1 <= len(result) <= MAX_RUNS
        assert len({scenario.label for scenario in result}) == len(result)
        for scenario in result:
            assert scenario.locate("platform").startswith(scenario.file)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
    max_leaves=12,
)
KEYS = [
    *("name", "description", "tags", "model", "model.name", "model.layers", "dataset", "dataset.name", "dataset.train"),
    *("dataset.test", "training", "training.epochs", "training.update", "training.update.min_ratio", "training.dtype"),
    *("training.trainable_layers", "memory.stack", "platform", "engine.steps", "engine.timeout_s", "matrix"),
    *("matrix.platform", "matrix.include", "matrix.exclude", "dataset.folder", "dataset.file", "dataset.test_file"),
    *("dataset.label", "dataset.shape", "dataset.normalise", "dataset.shift", "dataset.shift.subjects"),
    *("dataset.shift.rotation", "dataset.augment", "dataset.augment.flip"),
]


@SLOW
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=4))
def test_any_values_at_known_keys_give_runs_or_clean_lines(changes: dict[str, object]) -> None:
    document = yaml.safe_load(VALID[0])
    for key, value in changes.items():
        section = document
        *parents, last = key.split(".") if not key.startswith("matrix.") else ["matrix", key.removeprefix("matrix.")]
        for parent in parents:
            section[parent] = section[parent] if isinstance(section.get(parent), dict) else {}
            section = section[parent]
        section[last] = value
    read(yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{" * 100_000,
        "a: " * 30_000,
        "- " * 60_000,
        "? " * 60_000,
        "'" * 100_001,
        "&a " * 40_000,
        "[" + "[], " * 30_000,
        "".join(f"k{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" if n else "k0: &a0 x\n" for n in range(200)),
        "a: |\n" + "  x\n" * 30_000,
        "#" * 100_000,
        '"' + "\\x41" * 30_000 + '"',
        VALID[0] + "".join(f"key{n}: 1\n" for n in range(9_000)),
        "matrix: {include: [" + "{training.seed: 1}, " * 3_000 + "]}",
    ],
    ids=range(14),
)
def test_large_hostile_files_end_in_clean_lines(text: str) -> None:
    assert isinstance(read(text.encode()), InputError)


def test_a_large_matrix_of_the_deepest_network_is_read() -> None:
    layers = "".join("    - {type: dense, units: 10}\n" for _ in range(254))
    seeds = ", ".join(str(n) for n in range(MAX_RUNS // 16))
    text = VALID[-1][: VALID[-1].index("model:")] + "model:\n  layers:\n    - {type: flatten}\n" + layers
    text += "dataset: {name: digits, train: 100, test: 50}\nplatform: rp2040\n"
    text += f"matrix: {{training.seed: [{seeds}]}}\n"
    result = read(text.encode())
    assert isinstance(result, list)
    assert len(result) == MAX_RUNS // 16
    assert text.count("\n") < MAX_NODES
