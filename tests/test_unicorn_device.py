import json
from itertools import pairwise

import pytest
from firmware_builds import BOARDS, job, probe

from harness.engine import UnicornEngine
from harness.engine.device import Lpuart, NrfUarte, Pl011, RecordSink, Registers, Stm32Usart, build_device
from harness.errors import EngineError, FaultError
from harness.platform import Peripheral, load_platform

RAM = bytearray(0x100)


def _device(board, name, sink):
    platform = load_platform(board)
    peripheral = next(p for p in platform.peripherals if p.name == name)
    return build_device(
        peripheral, platform, lambda a, n: bytes(RAM[a - 0x20000000 : a - 0x20000000 + n]), sink, lambda _on: None
    )


@pytest.mark.parametrize("board", BOARDS)
def test_the_record_of_the_firmware_arrives_over_the_uart_of_the_board(board):
    trace = UnicornEngine().run(job(board, probe(board)))
    assert [record["event"] for record in trace.records] == ["checksum"]
    assert len(trace.records[0]["value"]) == 8


def test_all_cores_compute_the_same_integer_part():
    boards = ("nrf52840", "stm32l4r5zi", "imxrt1062")
    values = {json.dumps(UnicornEngine().run(job(b, probe(b))).records) for b in boards}
    assert len(values) == 1


def test_a_line_may_come_in_pieces_and_end_with_carriage_return():
    sink = RecordSink()
    for piece in (b'{"a"', b": 1}\r", b"\n\n", b'{"b": [2]}\n{"c'):
        sink.write(piece)
    assert sink.records == [{"a": 1}, {"b": [2]}]
    with pytest.raises(EngineError, match="no line end"):
        sink.close()


@pytest.mark.parametrize("line", [b"[1]\n", b"3\n", b"hello\n", b"\xff\xfe\n", b'{"a": }\n'])
def test_a_line_that_is_no_json_object_is_named(line):
    with pytest.raises(EngineError, match="record 0 is no JSON"):
        RecordSink().write(line)


def test_a_line_without_end_is_bounded():
    with pytest.raises(EngineError, match="no line end"):
        RecordSink().write(b"x" * (2 << 20))


def test_uarte_sends_from_ram_when_enabled():
    sink = RecordSink()
    uarte = _device("nrf52840", "UARTE0", sink)
    assert isinstance(uarte, NrfUarte)
    RAM[16:24] = b'{"x":1}\n'
    uarte.write(NrfUarte.TXD_PTR, 4, 0x20000010)
    uarte.write(NrfUarte.TXD_MAXCNT, 4, 8)
    with pytest.raises(FaultError, match="STARTTX while ENABLE is 0, expected 8"):
        uarte.write(NrfUarte.STARTTX, 4, 1)
    uarte.write(NrfUarte.ENABLE, 4, 8)
    assert uarte.read(NrfUarte.ENDTX, 4) == 0
    uarte.write(NrfUarte.STARTTX, 4, 1)
    assert uarte.read(NrfUarte.ENDTX, 4) == 1
    assert uarte.read(NrfUarte.TXD_AMOUNT, 4) == 8
    uarte.write(NrfUarte.ENDTX, 4, 0)
    assert uarte.read(NrfUarte.ENDTX, 4) == 0
    assert sink.records == [{"x": 1}]


def test_uarte_cannot_send_from_flash():
    uarte = _device("nrf52840", "UARTE0", RecordSink())
    uarte.write(NrfUarte.ENABLE, 4, 8)
    uarte.write(NrfUarte.TXD_PTR, 4, 0x1000)
    uarte.write(NrfUarte.TXD_MAXCNT, 4, 4)
    with pytest.raises(FaultError, match=r"EasyDMA reads RAM only, TXD\.PTR is 0x00001000"):
        uarte.write(NrfUarte.STARTTX, 4, 1)


def test_pl011_sends_when_enabled_through_the_atomic_aliases_too():
    sink = RecordSink()
    uart = _device("rp2040", "UART0", sink)
    assert uart.read(Pl011.FR, 4) & 0x20 == 0
    with pytest.raises(FaultError, match="UARTEN"):
        uart.write(Pl011.DR, 4, ord("x"))
    uart.write(0x2000 | Pl011.CR, 4, 1)
    assert uart.read(Pl011.CR, 4) == 0x301
    for byte in b'{"y":2}\n':
        uart.write(Pl011.DR, 1, byte)
    uart.write(0x3000 | Pl011.CR, 4, 0x100)
    assert uart.read(Pl011.CR, 4) == 0x201
    assert sink.records == [{"y": 2}]


def test_lpuart_sends_when_its_transmitter_is_on():
    sink = RecordSink()
    uart = _device("imxrt1062", "LPUART1", sink)
    with pytest.raises(FaultError, match=r"CTRL\.TE is 0"):
        uart.write(Lpuart.DATA, 4, ord("x"))
    uart.write(Lpuart.CTRL, 4, Lpuart.TRANSMITTER_ENABLE)
    assert uart.read(Lpuart.STAT, 4) & 1 << 23
    for byte in b'{"z":3}\n':
        uart.write(Lpuart.DATA, 4, byte)
    assert sink.records == [{"z": 3}]


def test_the_usart_of_the_stm32_sends_when_it_is_enabled_with_a_baud_rate():
    sink = RecordSink()
    uart = _device("stm32l4r5zi", "LPUART1", sink)
    with pytest.raises(FaultError, match=r"CR1\.UE or CR1\.TE is 0"):
        uart.write(Stm32Usart.TDR, 4, ord("x"))
    assert not uart.read(Stm32Usart.ISR, 4) & 1 << 21
    uart.write(Stm32Usart.CR1, 4, 0b1001)
    assert uart.read(Stm32Usart.ISR, 4) == 1 << 21 | 1 << 7 | 1 << 6
    with pytest.raises(FaultError, match="BRR is 0"):
        uart.write(Stm32Usart.TDR, 4, ord("x"))
    uart.write(Stm32Usart.BRR, 4, 266667)
    for byte in b'{"w":4}\n':
        uart.write(Stm32Usart.TDR, 4, byte)
    assert sink.records == [{"w": 4}]


def test_plain_registers_keep_bytes_and_ready_bits_always_read_as_one():
    block = Registers(
        Peripheral(
            name="X",
            model="registers",
            origin=0,
            size_bytes=64,
            reset={4: 0x11223344},
            ready={8: 0x80000000},
            source="x",
        )
    )
    assert block.read(4, 4) == 0x11223344
    assert block.read(6, 2) == 0x1122
    block.write(5, 1, 0xAA)
    assert block.read(4, 4) == 0x1122AA44
    block.write(8, 4, 5)
    assert block.read(8, 4) == 0x80000005
    assert block.read(11, 1) == 0x80


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_names_a_uart_of_its_own_and_no_regions_overlap(board):
    platform = load_platform(board)
    assert any(p.name == platform.uart and p.model != "registers" for p in platform.peripherals)
    spans = sorted((m.origin, m.origin + m.size_bytes) for m in (*platform.memories, *platform.peripherals))
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert {"flash", "ram", "samples"} == {m.kind for m in platform.memories}
    flash = platform.memory("flash")
    assert flash.origin <= platform.vector_table < flash.origin + flash.size_bytes
