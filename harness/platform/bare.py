"""A chip of which only the core is known: a generous memory map, and nothing that waits."""

from __future__ import annotations

from harness.platform.board import Core, Memory, Peripheral, Platform, load_platform, platform_names

_SOURCE = "Armv7-M Architecture Reference Manual (DDI 0403), B3.1: the system address map"
_MIB = 1 << 20
_MEMORIES = (
    Memory(name="code", kind="ram", origin=0x00000000, size_bytes=16 * _MIB, source=_SOURCE),
    Memory(name="flash", kind="flash", origin=0x08000000, size_bytes=16 * _MIB, source=_SOURCE),
    Memory(name="xip", kind="flash", origin=0x10000000, size_bytes=16 * _MIB, source=_SOURCE),
    Memory(name="ram", kind="ram", origin=0x20000000, size_bytes=16 * _MIB, source=_SOURCE),
    Memory(name="external", kind="flash", origin=0x60000000, size_bytes=16 * _MIB, source=_SOURCE),
)
_PERIPHERALS = (
    Peripheral(name="peripherals", model="registers", origin=0x40000000, size_bytes=0x10000000, source=_SOURCE),
    Peripheral(name="DWT", model="registers", origin=0xE0001000, size_bytes=0x1000, source=_SOURCE),
    Peripheral(name="SCS", model="registers", origin=0xE000E000, size_bytes=0x1000, source=_SOURCE),
)


def bare_platform(core: Core, memories: tuple[Memory, ...] = ()) -> Platform:
    """Return a platform for any ELF built for `core`: `memories`, or RAM and flash wherever chips tend to have them.

    Its registers keep what is written and are never ready by themselves. Its clock and power are those of a board with
    the same core, and mean nothing here.
    """
    board = next(board for name in platform_names() if (board := load_platform(name)).core == core)
    return board.model_copy(
        update={
            "name": core,
            "title": f"{core}, any chip",
            "memories": list(memories or _MEMORIES),
            "peripherals": list(_PERIPHERALS),
            "uart": "",
            "vector_table": 0,
        }
    )
