"""RAM and flash of transfer learning by data type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.reproduction.criterion import ORDER, within
from harness.reproduction.figure import Figure
from harness.reproduction.measurement import Measurements, flash_kb, ram_kb, weights_kb
from harness.reproduction.outcome import Bar, BarPanel, Chart, Outcome, Row, Spread, Trend
from harness.reproduction.published import Table, published
from harness.reproduction.ratio import ratio_case
from harness.reproduction.stand_in import OF_TRANSFER, TRANSFER, StandIn
from harness.result import Document

RAM_RATIO = (0.41, 0.76)
FLASH_RATIO = (0.26, 0.28)
MIXED_RATIO = 1.15


def _evaluate(measured: Measurements) -> Outcome:
    tables = published()
    ram, flash, latency = tables["transfer.ram"], tables["transfer.flash"], tables["transfer.latency"]
    rows: list[Row] = []
    ram_cases, flash_cases, mixed_cases = [], [], []
    ram_bars: dict[str, dict[str, Bar]] = {}
    flash_bars: dict[str, dict[str, Bar]] = {}
    for one in TRANSFER:
        our_ram, our_flash = _of_dtypes(measured, one, ram_kb), _of_dtypes(measured, one, flash_kb)
        weights = _of_dtypes(measured, one, weights_kb)
        rows += _rows("RAM", ram, one, our_ram)
        rows += [
            replace(row, derived=True) for row in _rows("RAM of weights", tables["transfer.ram_weights"], one, weights)
        ]
        rows += _rows("flash", flash, one, our_flash)
        case = ratio_case(
            one.paper, ram.column(one.paper), our_ram, "uint8", "float32", lambda r: within(r, *RAM_RATIO)
        )
        if latency.value("float32", one.paper) is None:
            case = replace(case, paper=f"{case.paper}, float32 not run", paper_holds=None)
        ram_cases.append(case)
        flash_cases.append(
            ratio_case(
                one.paper, flash.column(one.paper), our_flash, "uint8", "float32", lambda r: within(r, *FLASH_RATIO)
            )
        )
        mixed_cases.append(
            ratio_case(one.paper, ram.column(one.paper), our_ram, "mixed", "uint8", lambda r: r <= MIXED_RATIO)
        )
        if our_ram:
            ram_bars[one.dataset] = {
                dtype: Bar(value.mean, upper=weights[dtype].mean) for dtype, value in our_ram.items()
            }
            flash_bars[one.dataset] = {dtype: Bar(value.mean) for dtype, value in our_flash.items()}
    return Outcome(
        FIGURE.name,
        FIGURE.title,
        f"{ram.place}; {flash.place}",
        (
            *OF_TRANSFER,
            "RAM is what the linker placed, with the stack as deep as it was seen; flash is the whole program. Ours "
            "keeps the initial values of trained weights in flash. KB are 1000 bytes.",
            "The smaller nets have few weights beside some 30 KB of code, which is larger for uint8, so that their "
            "ratios of flash say more of the code than of the weights.",
            "Mixed keeps four bytes a weight and four a gradient in the trained layers; how the paper's needs hardly "
            "more than uint8 is not published.",
        ),
        tuple(rows),
        (
            Trend(
                "uint8 needs a part of float32's RAM",
                f"RAM of uint8 / float32: {RAM_RATIO[0]} to {RAM_RATIO[1]}, the published range of the data sets whose "
                "float32 training ran on the board; over all seven it is 0.32 to 0.76",
                tuple(ram_cases),
            ),
            Trend(
                "uint8 needs a quarter of float32's flash",
                f"flash of uint8 / float32: {FLASH_RATIO[0]} to {FLASH_RATIO[1]}, the published range",
                tuple(flash_cases),
            ),
            Trend(
                "Mixed needs hardly more RAM than uint8",
                f"RAM of mixed / uint8: at most {MIXED_RATIO}",
                tuple(mixed_cases),
            ),
        ),
        (
            _chart("ram", "RAM by data type", ram, tables["transfer.ram_weights"], ram_bars),
            _chart("flash", "Flash by data type", flash, None, flash_bars),
        ),
    )


def _of_dtypes(measured: Measurements, one: StandIn, value: Callable[[Document], float]) -> dict[str, Spread]:
    found = {dtype: measured.spread(value, f"transfer-{one.key}", training__dtype=dtype) for dtype in ORDER}
    return {dtype: spread for dtype, spread in found.items() if spread is not None}


def _rows(quantity: str, table: Table, one: StandIn, ours: Mapping[str, Spread]) -> list[Row]:
    return [
        Row(quantity, "KB", one.paper, one.text, dtype, table.value(dtype, one.paper), ours.get(dtype))
        for dtype in ORDER
    ]


def _chart(name: str, title: str, table: Table, part: Table | None, ours: dict[str, dict[str, Bar]]) -> Chart:
    paper = {
        column: {
            dtype: Bar(value, upper=(part.value(dtype, column) or 0) if part else 0)
            for dtype, value in table.column(column).items()
        }
        for column in table.columns
    }
    caption = f"{title}, each side on a scale of its own." + (
        " The paper tells the part of weights for uint8 only." if part else ""
    )
    panels = (BarPanel("paper", paper), BarPanel("ours", ours))
    upper, lower = ("trained weights and gradients", "the rest") if part else ("", "")
    return Chart(name, title, caption, "KB", panels, upper=upper, lower=lower, shared=False)


FIGURE = Figure("memory", "RAM and flash by data type", tuple(f"transfer-{one.key}" for one in TRANSFER), _evaluate)
