"""`harness validate-model` and `harness profile` on small ELFs of our own, with published values made up here."""

import json
import re
from pathlib import Path

import pytest
from firmware_builds import BOARDS, build, job
from typer.testing import CliRunner

from harness.build import Image
from harness.cli import app
from harness.cost import BoardMemory
from harness.engine import AnyElf, Region, UnicornEngine
from harness.errors import FaultError, InputError
from harness.pipeline.profile import RegionName, profile
from harness.platform import bare_platform, load_platform
from harness.validation import as_markdown, as_text, compare, read_programs


def countdown(rounds):
    """Instructions of the function `countdown` of tests/firmware/region.c."""
    return 2 + 2 * rounds


def nested(depth):
    """Instructions of the function `nested` of tests/firmware/region.c."""
    return 8 * depth + 4


ALL_COUNTDOWNS = sum(countdown(rounds) for rounds in range(1, 6))


@pytest.fixture(params=BOARDS, scope="module")
def board(request):
    return request.param


@pytest.fixture(scope="module")
def elf(board):
    return build(board, "region.c")


def instructions(board, elf, begin, end=None, call=0):
    symbols = Image(elf).symbols
    region = Region(symbols[begin].address, symbols[end].address if end else None, call)
    trace = UnicornEngine().run(job(board, elf, any_elf=AnyElf(region)))
    return trace.instructions_by_phase()["region"]


def test_a_function_is_counted_from_its_entry_to_its_return(board, elf):
    assert instructions(board, elf, "countdown") == ALL_COUNTDOWNS


def test_one_call_is_counted_alone_and_ends_the_run(board, elf):
    assert instructions(board, elf, "countdown", call=3) == countdown(3)
    begin = Image(elf).symbols["countdown"].address
    trace = UnicornEngine().run(job(board, elf, any_elf=AnyElf(Region(begin, None, 3))))
    whole = UnicornEngine().run(job(board, elf, any_elf=AnyElf()))
    assert trace.instructions < whole.instructions


def test_a_recursive_function_ends_with_its_outermost_return(board, elf):
    assert instructions(board, elf, "nested", call=1) == nested(6)


def test_the_way_between_two_symbols_holds_what_they_call():
    seen = profile(build("nrf52840", "region.c"), load_platform("nrf52840"), RegionName("countdown", "nested", 2))
    by_name = {function.function: function.instructions for function in seen.functions}
    assert by_name["countdown"] == ALL_COUNTDOWNS - countdown(1)
    assert set(by_name) == {"countdown", "run"}


def test_region_and_rest_add_up_to_the_whole_run(board, elf):
    begin = Image(elf).symbols["countdown"].address
    whole = UnicornEngine().run(job(board, elf, any_elf=AnyElf()))
    split = UnicornEngine().run(job(board, elf, any_elf=AnyElf(Region(begin))))
    assert whole.instructions_by_phase() == {"outside": whole.instructions}
    assert split.instructions == whole.instructions
    assert split.instructions_by_phase()["region"] == ALL_COUNTDOWNS
    assert split.taken.sum() == whole.taken.sum()


def test_semihosting_is_served_and_its_exit_ends_the_run(board):
    talkative = build(board, "region.c", "-DSEMIHOSTING")
    assert instructions(board, talkative, "countdown") == ALL_COUNTDOWNS + countdown(100)


def test_any_chip_with_the_core_runs_an_elf_that_waits_for_no_peripheral():
    seen = profile(build("nrf52840", "region.c"), bare_platform("cortex-m4f"), RegionName("countdown"))
    assert seen.instructions == ALL_COUNTDOWNS
    assert seen.low <= seen.cycles <= seen.high


def test_an_instruction_that_the_core_does_not_have_is_a_fault_and_no_end():
    elf = build("nrf52840", "region.c")
    with pytest.raises(FaultError, match="instruction that cortex-m0plus does not have"):
        profile(elf, bare_platform("cortex-m0plus"), RegionName("countdown"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (RegionName("count_down"), "no symbol 'count_down'; .*did you mean 'countdown'?"),
        (RegionName("countdown", call=70), r"countdown \(region.c:\d+\) was entered 5 times, expected at least 70"),
        (RegionName("within"), "lies within straight-line code"),
        (RegionName("countdown", "countdown"), "expected two places"),
        (RegionName("0x20000000"), "expected the address of Thumb code"),
    ],
)
def test_a_region_that_cannot_be_told_apart_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        profile(build("nrf52840", "region.c"), load_platform("nrf52840"), name)


def test_profile_on_the_command_line_prints_exact_and_estimated_numbers():
    elf = build("nrf52840", "region.c")
    shown = CliRunner().invoke(app, ["profile", str(elf), "--platform", "nrf52840", "--region", "countdown"])
    assert shown.exit_code == 0, shown.output
    assert re.search(rf"^  {ALL_COUNTDOWNS} instructions \(exact\)$", shown.output, re.MULTILINE)
    assert re.search(r"cycles \(\d+-\d+\), estimated$", shown.output, re.MULTILINE)
    document = CliRunner().invoke(app, ["profile", str(elf), "--platform", "nrf52840", "--json"])
    assert json.loads(document.output)["instructions"] > ALL_COUNTDOWNS


@pytest.fixture
def baseline(tmp_path):
    arguments = ["profile", str(build("nrf52840", "region.c")), "--platform", "nrf52840", "--region", "nested"]
    path = tmp_path / "baseline.json"
    path.write_text(CliRunner().invoke(app, [*arguments, "--json"]).output)
    return [*arguments, "--baseline", str(path)], path


def test_the_stack_of_a_region_is_that_of_all_its_callers_down_to_the_deepest_call(baseline):
    _, path = baseline
    document = json.loads(path.read_text())
    assert document["stack_chain"][-6:] == ["nested"] * 6
    assert document["stack_chain"][0] == "..."  # assembly without call frame information
    seen = profile(build("nrf52840", "region.c"), load_platform("nrf52840"), RegionName("countdown"))
    assert document["stack_bytes"] == seen.stack_bytes + 6 * 8  # six levels push two registers each


def test_a_region_that_has_not_grown_is_as_good_as_its_baseline(baseline):
    arguments, _ = baseline
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert re.search(r"ok +\d+ instructions, baseline \d+ \(\+0\.00%\)", result.output)


@pytest.mark.parametrize(
    ("key", "tolerance", "status"), [("cycles", "1 %", 1), ("stack_bytes", "1%", 1), ("cycles", "30 %", 0)]
)
def test_a_region_that_grew_beyond_the_tolerance_ends_with_status_1(baseline, key, tolerance, status):
    arguments, path = baseline
    document = json.loads(path.read_text())
    document[key] /= 1.2
    path.write_text(json.dumps(document))
    result = CliRunner().invoke(app, [*arguments, "--tolerance", tolerance])
    assert result.exit_code == status, result.output
    assert result.output.count("WORSE") == status


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "pipeline-0"}, "model: made for 'pipeline-0', this is 'pipeline-m4f-1"),
        ({"region": "countdown"}, "region: made for 'countdown', this is 'nested'; make a new baseline"),
        ({"cycles": None}, "is no document of harness profile --json"),
    ],
)
def test_a_baseline_of_something_else_is_refused(baseline, change, message):
    arguments, path = baseline
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert message in str(CliRunner().invoke(app, arguments).exception)
    path.unlink()
    assert "make it with: harness profile" in str(CliRunner().invoke(app, arguments).exception)


PAGE = Path(__file__).parent.parent / "docs" / "validation.md"
PROGRAM = """\
  - name: {name}
    elf: {elf}
    platform: nrf52840
    region: {{function: countdown, call: 5}}
    repeats: {repeats}
    published_cycles: {published}
    source: these tests
    compiler: assembly
    built_with: {built_with}
    conditions: none
    use: {use}
"""


def programs_file(folder, *programs):
    entries = []
    for number, fields in enumerate(programs):
        defaults = {
            "name": f"p{number}",
            "elf": "a.elf",
            "repeats": 1,
            "published": 10,
            "use": "tuning",
            "built_with": "assembly",
        }
        entries.append(PROGRAM.format(**{**defaults, **fields}))
    path = folder / "programs.yaml"
    path.write_text("programs:\n" + "".join(entries))
    return path


@pytest.fixture(scope="module")
def last_countdown():
    """Cycles that the model gives the program of `PROGRAM`."""
    name = RegionName("countdown", call=5)
    return profile(build("nrf52840", "region.c"), load_platform("nrf52840"), name, memory_system=BoardMemory()).cycles


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.elf").write_bytes(build("nrf52840", "region.c").read_bytes())
    return tmp_path


def outcome_of(path):
    return compare(*read_programs(path))


def test_the_error_is_relative_to_the_published_cycles_of_one_repeat(folder, last_countdown):
    cycles = last_countdown
    outcome = outcome_of(programs_file(folder, {"published": cycles / 2, "repeats": 2}, {"published": cycles * 2}))
    exact, half = outcome.comparisons
    assert exact.error == pytest.approx(0)
    assert half.error == pytest.approx(-0.5)
    assert exact.instructions == countdown(5) / 2


def test_means_are_told_apart_by_half_and_leave_out_what_is_only_shown(folder, last_countdown):
    rows = [(2.0, "tuning"), (0.5, "tuning"), (1.25, "held-out"), (9.0, "shown")]
    programs = [{"published": last_countdown * factor, "use": use} for factor, use in rows]
    programs[0]["built_with"] = "another compiler"
    path = programs_file(folder, *programs)
    outcome = outcome_of(path)
    assert outcome.mean_absolute_error("cortex-m4f", "tuning") == (pytest.approx((0.5 + 1.0) / 2), 2)
    assert outcome.mean_absolute_error("cortex-m4f", "held-out") == (pytest.approx(0.2), 1)
    assert outcome.mean_absolute_error("cortex-m4f", "tuning", same_code=True) == (pytest.approx(1.0), 1)
    text = as_text(outcome)
    assert "tuning: 75.0% over 2 programs; 100.0% over the 1 with the same machine code" in text
    assert "held-out: 20.0% over 1 program\n" in text


def test_a_missing_elf_is_one_line_and_the_row_is_not_run(folder):
    path = programs_file(folder, {}, {"elf": "nowhere.elf", "name": "lost"})
    shown = CliRunner().invoke(app, ["validate-model", str(path)])
    assert shown.exit_code == 0, shown.output
    assert f"lost: {folder / 'nowhere.elf'}: no such file" in shown.output
    assert re.search(r"^  lost +tuning +10 +not run", shown.output, re.MULTILINE)
    assert outcome_of(path).mean_absolute_error("cortex-m4f", "tuning")[1] == 1


def test_an_elf_that_fails_costs_its_own_row_and_the_exit_status(folder):
    (folder / "bad.elf").write_bytes(b"no ELF")
    path = programs_file(folder, {"elf": "bad.elf"}, {})
    shown = CliRunner().invoke(app, ["validate-model", str(path), "--format", "json"])
    assert shown.exit_code == 3
    rows = json.loads(shown.output)["cortex-m4f"]["programs"]
    assert [row["status"] for row in rows] == ["failed", "ok"]
    assert "not a readable ELF file" in rows[0]["problem"]


def test_another_build_is_marked(folder):
    path = programs_file(folder, {})
    path.write_text(path.read_text() + f"    sha256: {'a' * 64}\n")
    outcome = outcome_of(path)
    assert outcome.comparisons[0].same_build is False
    assert "p0 (another build)" in as_text(outcome)


def test_markdown_has_a_row_for_every_program_under_its_core(folder):
    path = programs_file(folder, {}, {"use": "held-out", "name": "a|b"})
    text = as_markdown(outcome_of(path))
    assert text.startswith("### cortex-m4f\n")
    assert "| p0 | tuning | 12 | 10 |" in text
    assert r"| a\|b | held-out |" in text
    assert "- mean absolute error, held-out:" in text


def test_only_the_chosen_half_runs_from_the_chosen_folder(folder, tmp_path_factory):
    path = programs_file(tmp_path_factory.mktemp("elsewhere"), {}, {"use": "held-out"})
    options = ["--use", "held-out", "--folder", str(folder), "--format", "json"]
    shown = CliRunner().invoke(app, ["validate-model", str(path), *options])
    assert shown.exit_code == 0, shown.output
    assert [row["name"] for row in json.loads(shown.output)["cortex-m4f"]["programs"]] == ["p1"]


@pytest.mark.parametrize(
    ("find", "replace", "line", "key", "message"),
    [
        ("use: tuning", "use: tuneing", 12, "use", "unknown use 'tuneing'; expected one of .*; did you mean 'tuning'"),
        ("    source: these tests\n", "", 2, "source", "missing key; expected where the number was published"),
        ("platform: nrf52840", "platform: nrf5284", 4, "platform", "did you mean 'nrf52840'"),
        ("platform: nrf52840", "core: cortex-m4", 4, "core", "unknown core 'cortex-m4'; .*did you mean 'cortex-m4f'"),
        ("    platform: nrf52840\n", "", 2, "", "expected either 'core' or 'platform'"),
        ("function: countdown", "from: countdown", 5, "region", "expected either 'function', or 'from' and 'to'"),
        ("function: countdown", "functoin: countdown", 5, "region.functoin", "unknown key; .*did you mean 'function'"),
        ("published_cycles: 10", "published_cycles: 0", 7, "published_cycles", "0 is not allowed; expected a number"),
        ("repeats: 1", "repeats: two", 6, "repeats", "'two' is not allowed; expected how many times"),
    ],
)
def test_an_error_of_the_file_names_line_and_key(tmp_path, find, replace, line, key, message):
    path = programs_file(tmp_path, {})
    text = path.read_text()
    assert text.count(find) == 1
    path.write_text(text.replace(find, replace))
    with pytest.raises(InputError) as caught:
        read_programs(path)
    (complaint,) = caught.value.lines
    full = f"programs[0].{key}" if key else "programs[0]"
    assert re.match(rf"{re.escape(str(path))}:{line}:\d+: {re.escape(full)}: .*{message}", complaint), complaint


def test_two_programs_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="two programs are called 'same'"):
        read_programs(programs_file(tmp_path, {"name": "same"}, {"name": "same"}))


def test_the_page_has_a_row_for_every_published_program_with_its_number():
    _, programs = read_programs(PAGE.parent / "validation" / "programs.yaml")
    rows = re.findall(
        r"^\| ([^|]+) \| (tuning|held-out|shown) \| [^|]+ \| ([0-9,.]+) \|", PAGE.read_text(), re.MULTILINE
    )
    published = {name: float(number.replace(",", "")) for name, _, number in rows}
    assert [(name, use) for name, use, _ in rows] == [(program.name, program.use) for program in programs]
    for program in programs:
        assert published[program.name] == pytest.approx(program.published_cycles, rel=1e-3)


def test_the_halves_alternate_by_name_within_each_core():
    _, programs = read_programs(PAGE.parent / "validation" / "programs.yaml")
    for core in dict.fromkeys(program.core for program in programs):
        names = [p for p in programs if p.core == core and (p.use != "shown" or p.name == "qfp_dln")]
        halves = [p.use for p in sorted(names, key=lambda program: program.name.lower())]
        expected = ["tuning", "held-out"] * (len(halves) // 2 + 1)
        assert all(half in ("shown", wanted) for half, wanted in zip(halves, expected, strict=False))
