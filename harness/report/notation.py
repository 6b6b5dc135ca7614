"""How numbers and names are written for people, the same in the terminal, on plots and on the page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from harness.quantity import format_size

_FIGURE = re.compile(r"±\s*[0-9.]+\s*%|factor of [0-9.]*[0-9]")
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def plain(text: object, longest: int = 200) -> str:
    """Return `text` on one line, without control characters, cut to `longest` characters."""
    line = "".join(char if char.isprintable() else " " for char in str(text))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def count(value: float) -> str:
    """Return an exact count with separated thousands: `1,234,567`. A mean per step is rounded to a whole number."""
    return f"{value:,.0f}"


def significant(value: float, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits and no exponent in the usual range: `12.3`, `0.00123`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not 1e-6 <= abs(value) < 1e15:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def prefixed(value: float) -> str:
    """Return `value` with three significant digits and an SI prefix: `1.23 M`."""
    factor, prefix = _prefix(value)
    return f"{significant(value / factor)}{prefix}"


def _prefix(value: float) -> tuple[float, str]:
    return next(((factor, f" {prefix}") for factor, prefix in _PREFIXES if value >= factor), (1.0, ""))


def ranged(value: float, low: float, high: float) -> str:
    """Return an estimate with its range, when three digits can tell them apart: `12.3 (11.8-13.1)`."""
    bounds = f"{significant(low)}-{significant(high)}"
    text = significant(value)
    return text if bounds == f"{text}-{text}" else f"{text} ({bounds})"


def ranged_prefixed(value: float, low: float, high: float) -> str:
    """Return an estimate with its range and an SI prefix: `1.23 (1.20-1.31) M`."""
    factor, prefix = _prefix(value)
    return f"{ranged(value / factor, low / factor, high / factor)}{prefix}"


def tick(value: float) -> str:
    """Return the number at a tick of an axis, as short as it can be: `0.5`, `400 k`, `1.2 M`."""
    for factor, prefix in _PREFIXES:
        if value >= factor:
            return f"{value / factor:g} {prefix}"
    return f"{value:g}"


def percent(share: float, decimals: int = 1) -> str:
    """Return a share of 0..1 in per cent: `95.1 %`."""
    return f"{share * 100:.{decimals}f} %"


def spread(mean: float, deviation: float, form: Callable[[float], str]) -> str:
    """Return a mean and what the numbers deviate from it, with the unit they share once: `12.3 ± 0.4 ms`.

    Without a deviation it is just the mean.
    """
    if not deviation:
        return form(mean)
    middle, around = form(mean), form(deviation)
    unit = around.partition(" ")[2]
    return f"{middle.removesuffix(f' {unit}') if unit else middle} ± {around}"


def kib(size_bytes: float) -> str:
    """Return a size in KiB with one decimal: `12.3 KiB`."""
    return f"{size_bytes / 1024:,.1f} KiB"


def setting(column: str, value: object) -> str:
    """Return a setting as a reader expects it, by the unit in its column's name: `64 KiB`, `yes`, `-` for none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and column.endswith("_bytes"):
        return format_size(value)
    if isinstance(value, int) and column.endswith("_hz"):
        return f"{value / 1e6:g} MHz"
    if isinstance(value, float):
        return f"{value:g}"
    return plain(value, 60)


def duration(seconds: float, digits: int = 3) -> str:
    """Return a duration with a fitting unit: `12.3 s`, `4.2 min`, `1.5 h`."""
    factor, unit = _time_unit(seconds)
    return f"{significant(seconds / factor, digits if factor == 1 else 2)} {unit}"


def ranged_duration(value_s: float, low_s: float, high_s: float) -> str:
    """Return an estimated duration with its range and a fitting unit: `4.21 (4.05-4.60) min`."""
    factor, unit = _time_unit(value_s)
    return f"{ranged(value_s / factor, low_s / factor, high_s / factor)} {unit}"


def _time_unit(seconds: float) -> tuple[float, str]:
    return next(
        ((factor, unit) for factor, unit in ((3600.0, "h"), (60.0, "min")) if seconds >= 2 * factor), (1.0, "s")
    )


def model_name(model: str) -> str:
    """Return the name of a model without the conditions it gives in brackets, short enough for an axis."""
    return plain(model.split(" (")[0], 48)


def error_figures(error: str) -> str:
    """Return all the figures of a stated error, `±15 % and ±20 %`; its beginning when it has none."""
    signed = plain(error, 2000).replace("+-", "±")
    figures = [" ".join(found.split()) for found in _FIGURE.findall(signed)]
    return " and ".join(dict.fromkeys(figures)) or plain(signed, 40)


def lines(text: str, most: int = 20) -> str:
    """Return `text` line by line without control characters, cut after `most` lines."""
    kept = [plain(line, 400) for line in text.splitlines() if line.strip()]
    return "\n".join(kept[:most] + (["…"] if len(kept) > most else []))


def anchor(index: int, text: str) -> str:
    """Return an HTML id for entry `index`: unique by its number, readable by what is harmless in `text`."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
    return f"run-{index}-{words}" if words else f"run-{index}"
