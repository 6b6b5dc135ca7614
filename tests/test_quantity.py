from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from harness.quantity import Ratio, Size, SizeBounds, format_ratio, format_size, parse_ratio, parse_size, show


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("64 KiB", 65536),
        ("64KiB", 65536),
        ("64 KB", 64000),
        ("1 MiB", 1048576),
        ("2 MB", 2000000),
        ("1.5 KiB", 1536),
        (" 12 B ", 12),
        ("65536", 65536),
        (65536, 65536),
        (0, 0),
    ],
)
def test_sizes_are_read_with_and_without_units(text: object, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("64 kib", "did you mean 'KiB'?"),
        ("64 GiB", "unknown unit 'GiB'; expected one of B, KB, MB, KiB, MiB"),
        ("-1 KiB", "'-1 KiB' is no size"),
        ("KiB", "'KiB' is no size"),
        ("", "'' is no size"),
        ("1.3 B", "not a whole number of bytes"),
        ("1e3", "'1e3' is no size"),
        ("٣ KiB", "is no size"),
        (True, "true is no size"),
        (None, "nothing is no size"),
        (64.0, "64.0 is no size"),
        (["64 KiB"], "a list is no size"),
        ("9" * 1000, "is no size"),
    ],
)
def test_wrong_sizes_say_what_is_expected(text: object, complaint: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_size(text)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize(
    ("text", "ratio"), [("50 %", 0.5), ("50%", 0.5), ("0.1", 0.1), (0.25, 0.25), (1, 1.0), ("12.5 %", 0.125), (2, 2.0)]
)
def test_ratios_are_read_as_numbers_and_in_per_cent(text: object, ratio: float) -> None:
    assert parse_ratio(text) == ratio


@pytest.mark.parametrize(
    "text", ["half", "", "50 percent", "-1", "1e2", "nan", True, None, float("nan"), float("inf"), [1]]
)
def test_wrong_ratios_say_what_is_expected(text: object) -> None:
    with pytest.raises(ValueError, match=r"expected a ratio such as 0.5 or '50 %'"):
        parse_ratio(text)


@given(st.integers(min_value=0, max_value=1 << 40))
def test_a_formatted_size_reads_back_exactly(size_bytes: int) -> None:
    assert parse_size(format_size(size_bytes)) == size_bytes


@given(st.integers(min_value=0, max_value=10_000))
def test_a_formatted_ratio_reads_back(hundredths_of_per_cent: int) -> None:
    ratio = hundredths_of_per_cent / 10_000
    assert parse_ratio(format_ratio(ratio)) == pytest.approx(ratio, abs=1e-9)


def test_sizes_are_formatted_in_the_largest_exact_unit() -> None:
    assert [format_size(n) for n in (0, 1500, 2048, 3 * 1024 * 1024)] == ["0 B", "1500 B", "2 KiB", "3 MiB"]


class Both(BaseModel):
    size: Annotated[int, SizeBounds(256, 1024)] = 512
    ratio: Ratio = 0.5
    any_size: Size = 0


def test_annotated_fields_convert_and_keep_to_their_bounds() -> None:
    assert Both(size="1 KiB", ratio="25 %", any_size="1 MiB") == Both(size=1024, ratio=0.25, any_size=1 << 20)
    with pytest.raises(ValidationError, match="expected a size from 256 B to 1 KiB"):
        Both(size="2 KiB")
    for ratio in (0, "150 %"):
        with pytest.raises(ValidationError, match="expected a ratio above 0 and at most 1"):
            Both(ratio=ratio)


def test_values_are_shown_in_messages_shortly_and_on_one_line() -> None:
    shown = [show(value) for value in (None, True, {"a": 1}, [1], 10**5000, "a\nb", "x" * 500)]
    assert shown[:6] == ["nothing", "true", "a mapping", "a list", "a very large number", "'a\\nb'"]
    assert len(shown[6]) == 40
