"""A board's Renode platform description (`.repl`), written from the same data as the default engine's memory map.

The four in `renode/platforms/` are what this module writes: `harness renode platform NAME` prints one.
"""

from __future__ import annotations

from pathlib import Path

from harness.assets import asset_dir
from harness.engine.device import SYSTEM_CONTROL_SPACE
from harness.engine.renode.pace import Pace
from harness.platform import Core, Peripheral, Platform

REGISTERS = "peripherals/register_block.cs"
"""What Renode compiles (`include`) before it loads a description: the classes that these need beside Renode's own."""

_CPU_TYPE: dict[Core, str] = {
    "cortex-m0plus": "cortex-m0",
    "cortex-m4f": "cortex-m4",
    "cortex-m7": "cortex-m7",
}
_CPU_NOTE: dict[Core, str] = {
    "cortex-m0plus": "Renode's cortex-m0+ calls itself a Cortex-M3; both run what a Cortex-M0+ does",
    "cortex-m4f": "with the single-precision FPU; Renode's cortex-m4f calls itself a Cortex-M7",
    "cortex-m7": "with the double-precision FPU",
}
_DWT = 0xE0001000
_PL011_BYTES = 0x1000


def registers_source() -> Path:
    """Return the C# file that Renode has to include before it loads a description."""
    return asset_dir("renode") / REGISTERS


def node_name(name: str) -> str:
    """Return the name in a description of the memory or peripheral that the board calls `name`."""
    return name.lower().replace("-", "_").replace(" ", "_")


def describe(platform: Platform, pace: Pace | None = None) -> str:
    """Return the description of `platform`, a text for `machine LoadPlatformDescription`.

    With a `pace`, virtual time goes as that says; without, DWT.CYCCNT and SysTick run at the core's clock and Renode's
    MIPS stay what they are.
    """
    clock_hz = platform.clock_hz if pace is None else pace.counter_hz
    speed = {} if pace is None else {"PerformanceInMips": pace.mips}
    cpu = _node("cpu", "CPU.CortexM", None, cpuType=f'"{_CPU_TYPE[platform.core]}"', nvic="nvic", **speed)
    nvic = _node("nvic", "IRQControllers.NVIC", SYSTEM_CONTROL_SPACE, systickFrequency=clock_hz)
    nodes = [
        f"// {platform.title}, as the harness emulates it. Load it after {REGISTERS}.",
        f"// {_CPU_NOTE[platform.core]}\n{cpu}",
        f"{nvic}\n    -> cpu@0",
    ]
    for memory in platform.memories:
        size = f"0x{memory.size_bytes:X}"
        nodes.append(_node(node_name(memory.name), "Memory.MappedMemory", memory.origin, size=size))
    for peripheral in platform.peripherals:
        if peripheral.origin != SYSTEM_CONTROL_SPACE:
            nodes += _peripheral(peripheral, platform, clock_hz)
    return "\n\n".join(nodes) + "\n"


def _peripheral(peripheral: Peripheral, platform: Platform, clock_hz: int) -> list[str]:
    name, origin = node_name(peripheral.name), peripheral.origin
    match peripheral.model:
        case "nrf-uarte":
            return [_node(name, "UART.NRF52840_UART", origin, easyDMA="true")]
        case "lpuart":
            return [_node(name, "UART.NXP_LPUART", origin)]
        case "stm32-usart":
            return [_node(name, "UART.STM32F7_USART", origin, frequency=platform.clock_hz, lowPowerMode="true")]
        case "pl011":
            uart = _node(name, "UART.PL011", origin, frequency=platform.clock_hz)
            if peripheral.size_bytes == _PL011_BYTES:
                return [uart]
            behind = origin + _PL011_BYTES
            return [uart, _node(f"{name}_aliases", "Miscellaneous.AtomicAliases", behind, target=name)]
    if origin == _DWT:
        return [_node(name, "Miscellaneous.DWT", origin, frequency=clock_hz)]
    words = {"initial": peripheral.reset, "ready": peripheral.ready}
    settings = {key: f'"{_pairs(value)}"' for key, value in words.items() if value}
    size = f"0x{peripheral.size_bytes:X}"
    return [_node(f"{name}_registers", "Miscellaneous.RegisterBlock", origin, size=size, **settings)]


def _pairs(words: dict[int, int]) -> str:
    return " ".join(f"{offset:X}={word:X}" for offset, word in words.items())


def _node(name: str, kind: str, origin: int | None, **settings: str | int) -> str:
    place = "sysbus" if origin is None else f"sysbus 0x{origin:08X}"
    return "\n".join([f"{name}: {kind} @ {place}", *(f"    {key}: {value}" for key, value in settings.items())])
