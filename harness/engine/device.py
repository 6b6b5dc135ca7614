"""Peripherals that firmware talks to: four UARTs that collect records, and blocks of plain registers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from harness.errors import EngineError, FaultError
from harness.platform import Peripheral, Platform

_LINE_LIMIT_BYTES = 1 << 20
_ROW = b"cycles,"
"""How a line of firmware/port/cortex_m/cycle_counter.c begins."""


class RecordSink:
    """Collects the bytes of a UART into lines, each of them one JSON object, or a row of measured cycles."""

    def __init__(self) -> None:
        """Begin with no record."""
        self.records: list[dict[str, Any]] = []
        self._line = bytearray()

    def write(self, data: bytes) -> None:
        """Take bytes from the UART.

        Raises EngineError when a line is not one JSON object.
        """
        self._line += data
        while (end := self._line.find(b"\n")) >= 0:
            line = bytes(self._line[:end]).rstrip(b"\r")
            del self._line[: end + 1]
            if line.startswith(_ROW):
                self.records.append({"r": "row", "text": line.decode("ascii")})
            elif line:
                self.records.append(_record(line, len(self.records)))
        if len(self._line) > _LINE_LIMIT_BYTES:
            raise EngineError(f"record {len(self.records)} has more than {_LINE_LIMIT_BYTES} bytes and no line end")

    def close(self) -> None:
        """Check that the last line was ended; raises EngineError."""
        if self._line:
            raise EngineError(f"the last record has no line end: {_shown(bytes(self._line))}")


def _record(line: bytes, index: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as problem:
        raise EngineError(f"record {index} is no JSON: {_shown(line)}: {problem}") from problem
    if not isinstance(record, dict):
        raise EngineError(f"record {index} is no JSON object: {_shown(line)}")
    return record


def _shown(line: bytes) -> str:
    text = line.decode("ascii", errors="backslashreplace")
    return repr(text if len(text) <= 120 else text[:117] + "...")


class Registers:
    """A block of registers that keeps what is written; `ready` bits always read as one."""

    def __init__(self, peripheral: Peripheral) -> None:
        """Take the reset values and ready bits of `peripheral`."""
        self.name = peripheral.name
        self._words = dict(peripheral.reset)
        self._ready = peripheral.ready

    def word(self, offset: int) -> int:
        """Return the word at `offset`, a multiple of 4."""
        return self._words.get(offset, 0) | self._ready.get(offset, 0)

    def store(self, offset: int, value: int) -> None:
        """Keep `value` at `offset`, a multiple of 4."""
        self._words[offset] = value

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the `size_bytes` at `offset`, little-endian."""
        shift = 8 * (offset & 3)
        return self.word(offset & ~3) >> shift & ((1 << 8 * size_bytes) - 1)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write `size_bytes` at `offset`."""
        shift = 8 * (offset & 3)
        mask = ((1 << 8 * size_bytes) - 1) << shift
        word = offset & ~3
        self.store(word, self._words.get(word, 0) & ~mask | value << shift & mask)


class NrfUarte(Registers):
    """nRF52840 UARTE with EasyDMA, transmit only, infinitely fast (nRF52840 Product Specification, UARTE)."""

    STARTTX, STOPTX = 0x008, 0x00C
    CTS, TXDRDY, ENDTX, TXSTARTED, TXSTOPPED = 0x100, 0x11C, 0x120, 0x150, 0x158
    ENABLE, TXD_PTR, TXD_MAXCNT, TXD_AMOUNT = 0x500, 0x544, 0x548, 0x54C
    ENABLED = 8

    def __init__(
        self, peripheral: Peripheral, platform: Platform, memory: Callable[[int, int], bytes], sink: RecordSink
    ) -> None:
        """Transmit from the RAM that `memory` reads into `sink`."""
        super().__init__(peripheral)
        self._ram = [region for region in platform.memories if region.kind == "ram"]
        self._memory = memory
        self._sink = sink

    def store(self, offset: int, value: int) -> None:
        """Keep the word, or do the task."""
        if offset == self.STARTTX:
            if value & 1:
                self._transmit()
        elif offset == self.STOPTX:
            self._words[self.TXSTOPPED] = 1
        else:
            super().store(offset, value)

    def _transmit(self) -> None:
        if self.word(self.ENABLE) != self.ENABLED:
            raise FaultError(f"{self.name}: STARTTX while ENABLE is {self.word(self.ENABLE)}, expected {self.ENABLED}")
        start, size = self.word(self.TXD_PTR), self.word(self.TXD_MAXCNT) & 0xFFFF
        if not any(r.origin <= start and start + size <= r.origin + r.size_bytes for r in self._ram):
            raise FaultError(f"{self.name}: EasyDMA reads RAM only, TXD.PTR is 0x{start:08x} and TXD.MAXCNT {size}")
        self._words[self.TXSTARTED] = 1
        self._sink.write(self._memory(start, size))
        self._words[self.TXD_AMOUNT] = size
        self._words[self.TXDRDY] = self._words[self.ENDTX] = 1


class Pl011(Registers):
    """Arm PrimeCell UART PL011, transmit only, with the atomic aliases that the RP2040 adds (RP2040 Datasheet 4.2)."""

    DR, FR, CR = 0x000, 0x018, 0x030
    TX_FIFO_EMPTY_RX_FIFO_EMPTY = 0x90
    UART_AND_TX_ENABLED = 0x101
    CR_RESET = 0x300

    def __init__(self, peripheral: Peripheral, sink: RecordSink) -> None:
        """Transmit into `sink`."""
        super().__init__(peripheral)
        self._words.setdefault(self.CR, self.CR_RESET)
        self._sink = sink

    def word(self, offset: int) -> int:
        """Return the word; the aliases read as the register itself."""
        offset &= 0xFFF
        return self.TX_FIFO_EMPTY_RX_FIFO_EMPTY if offset == self.FR else super().word(offset)

    def store(self, offset: int, value: int) -> None:
        """Send a byte or keep the word; the upper bits of `offset` choose write, xor, set or clear."""
        alias, offset = offset >> 12, offset & 0xFFF
        old = self._words.get(offset, 0)
        value = (value, old ^ value, old | value, old & ~value)[alias & 3]
        if offset != self.DR:
            super().store(offset, value)
        elif self.word(self.CR) & self.UART_AND_TX_ENABLED != self.UART_AND_TX_ENABLED:
            raise FaultError(f"{self.name}: a byte was sent while UARTCR.UARTEN or UARTCR.TXE is 0")
        else:
            self._sink.write(bytes([value & 0xFF]))


class Lpuart(Registers):
    """NXP LPUART, transmit only (i.MX RT1060 Reference Manual, LPUART)."""

    STAT, CTRL, DATA, FIFO = 0x14, 0x18, 0x1C, 0x28
    TX_EMPTY_TX_COMPLETE = 0x00C00000
    FIFOS_EMPTY = 0x00C00000
    TRANSMITTER_ENABLE = 1 << 19

    def __init__(self, peripheral: Peripheral, sink: RecordSink) -> None:
        """Transmit into `sink`."""
        super().__init__(peripheral)
        self._sink = sink

    def word(self, offset: int) -> int:
        """Return the word; the transmitter always has room."""
        ready = {self.STAT: self.TX_EMPTY_TX_COMPLETE, self.FIFO: self.FIFOS_EMPTY}
        return super().word(offset) | ready.get(offset, 0)

    def store(self, offset: int, value: int) -> None:
        """Send a byte or keep the word."""
        if offset != self.DATA:
            super().store(offset, value)
        elif not self.word(self.CTRL) & self.TRANSMITTER_ENABLE:
            raise FaultError(f"{self.name}: a byte was sent while CTRL.TE is 0")
        else:
            self._sink.write(bytes([value & 0xFF]))


class Stm32Usart(Registers):
    """USART and LPUART of the STM32L4, transmit only (RM0432; ST cmsis_device_l4 stm32l4r5xx.h, USART_TypeDef)."""

    CR1, BRR, ISR, TDR = 0x00, 0x0C, 0x1C, 0x28
    UART_AND_TRANSMITTER_ENABLED = 1 << 0 | 1 << 3
    TX_EMPTY_TX_COMPLETE = 1 << 7 | 1 << 6
    TRANSMITTER_ACKNOWLEDGES = 1 << 21

    def __init__(self, peripheral: Peripheral, sink: RecordSink) -> None:
        """Transmit into `sink`."""
        super().__init__(peripheral)
        self._sink = sink

    def word(self, offset: int) -> int:
        """Return the word; the transmitter always has room."""
        if offset != self.ISR:
            return super().word(offset)
        return self.TX_EMPTY_TX_COMPLETE | (self.TRANSMITTER_ACKNOWLEDGES if self._enabled else 0)

    @property
    def _enabled(self) -> bool:
        return super().word(self.CR1) & self.UART_AND_TRANSMITTER_ENABLED == self.UART_AND_TRANSMITTER_ENABLED

    def store(self, offset: int, value: int) -> None:
        """Send a byte or keep the word."""
        if offset != self.TDR:
            super().store(offset, value)
        elif not self._enabled:
            raise FaultError(f"{self.name}: a byte was sent while CR1.UE or CR1.TE is 0")
        elif not super().word(self.BRR):
            raise FaultError(f"{self.name}: a byte was sent while BRR is 0")
        else:
            self._sink.write(bytes([value & 0xFF]))


class CoreRegisters(Registers):
    """The System Control Space; it tells when the firmware opens the FPU (Armv7-M ARM, B3.2.20)."""

    CPACR = 0xD88
    FULL_ACCESS = 0xF << 20

    def __init__(self, peripheral: Peripheral, on_fpu: Callable[[bool], None]) -> None:
        """Call `on_fpu` with the new state whenever CPACR is written."""
        super().__init__(peripheral)
        self._on_fpu = on_fpu

    def store(self, offset: int, value: int) -> None:
        """Keep the word."""
        super().store(offset, value)
        if offset == self.CPACR:
            self._on_fpu(value & self.FULL_ACCESS == self.FULL_ACCESS)


SYSTEM_CONTROL_SPACE = 0xE000E000


def build_device(
    peripheral: Peripheral,
    platform: Platform,
    memory: Callable[[int, int], bytes],
    sink: RecordSink,
    on_fpu: Callable[[bool], None],
) -> Registers:
    """Return the device for `peripheral`; `memory` reads target memory, `sink` takes the bytes of the board's UART.

    A UART that is not the board's `uart` takes bytes, too, but nobody reads them.
    """
    target = sink if peripheral.name == platform.uart else UnreadSink()
    if peripheral.model == "nrf-uarte":
        return NrfUarte(peripheral, platform, memory, target)
    if peripheral.model == "pl011":
        return Pl011(peripheral, target)
    if peripheral.model == "lpuart":
        return Lpuart(peripheral, target)
    if peripheral.model == "stm32-usart":
        return Stm32Usart(peripheral, target)
    if peripheral.origin == SYSTEM_CONTROL_SPACE:
        return CoreRegisters(peripheral, on_fpu)
    return Registers(peripheral)


class UnreadSink(RecordSink):
    """Takes bytes that nobody reads."""

    def write(self, data: bytes) -> None:
        """Drop `data`."""
