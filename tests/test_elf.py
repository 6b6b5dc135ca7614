import re
import subprocess

import pytest
from firmware_builds import BOARDS, probe

from harness.build import Image
from harness.errors import InputError


def _nm(elf):
    out = subprocess.run(["arm-none-eabi-nm", "-S", str(elf)], check=True, capture_output=True, text=True).stdout
    return [line.split() for line in out.splitlines() if len(line.split()) == 4]


@pytest.mark.parametrize("board", BOARDS)
def test_functions_have_the_addresses_and_sizes_that_nm_prints(board):
    image = Image(probe(board))
    functions = [
        (name, int(address, 16) & ~1, int(size, 16))
        for address, size, kind, name in _nm(image.path)
        if kind in "tT" and name != "vectors"
    ]
    assert len(functions) > 10
    for name, address, size in functions:
        symbol = image.symbols[name]
        assert (symbol.address, symbol.size_bytes, symbol.is_function) == (address, size, True)
        aliases = {other for other, begin, _ in functions if begin == address}
        assert image.function_at(address) in aliases
        # The soft float functions of libgcc run into one another, so a middle may have a nearer name.
        inside = {other for other, begin, _ in functions if address <= begin < address + size}
        if image.is_code(address + size - 2):
            assert image.function_at(address + size - 2) in inside


@pytest.mark.parametrize("board", BOARDS)
def test_source_lines_equal_those_of_addr2line(board):
    image = Image(probe(board))
    addresses = [a for begin, end in image.code_ranges for a in range(begin, end, 38)]
    out = subprocess.run(
        ["arm-none-eabi-addr2line", "-e", str(image.path), *(hex(a) for a in addresses)],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    compared = 0
    for address, place in zip(addresses, out, strict=True):
        expected = re.sub(r" \(discriminator \d+\)", "", place.rpartition("/")[2])
        if expected[-1].isdigit():
            assert str(image.source_line(address)) == expected, hex(address)
            compared += 1
    assert compared > 50


@pytest.mark.parametrize("board", BOARDS)
def test_code_is_what_the_disassembler_shows_as_instructions(board):
    image = Image(probe(board))
    out = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "--no-show-raw-insn", str(image.path)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = [line for line in re.findall(r"^ *([0-9a-f]+):\t(\S+)", out, re.MULTILINE) if line[1] != "..."]
    assert len(lines) > 500
    for address, mnemonic in lines:
        assert image.is_code(int(address, 16)) == (mnemonic not in {".word", ".short", ".byte"}), (address, mnemonic)


def test_code_that_runs_from_ram_is_loaded_from_flash_and_read_at_its_ram_address():
    image = Image(probe("nrf52840"))
    section = next(section for section in image.sections if section.name == ".fast")
    assert section.address >= 0x20000000 > section.load_address
    assert section.executable
    assert image.function_at(section.address) == "in_ram"
    stored = next(segment for segment in image.segments if segment.load_address == section.load_address)
    assert image.read(section.address, section.size_bytes) == stored.data[: section.size_bytes]


def test_bss_takes_room_and_has_no_bytes():
    image = Image(probe("nrf52840"))
    bss = next(section for section in image.sections if section.name == ".bss")
    assert not bss.stored
    assert bss.writable
    assert image.read(bss.address, 4) == b""


def test_an_address_outside_all_functions_has_no_name_and_no_line():
    image = Image(probe("nrf52840"))
    assert image.function_at(0x20001000) is None
    assert image.source_line(0x20020000) is None
    assert image.describe(0x20020000) == "0x20020000"
    assert re.fullmatch(r"finish \(start\.c:\d+\)", image.describe(image.symbols["finish"].address))


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"hello" * 100])
def test_a_file_that_is_no_elf_is_refused(tmp_path, content):
    path = tmp_path / "x.elf"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.elf: not a readable ELF file"):
        Image(path)


def test_an_elf_of_the_host_is_refused(tmp_path):
    path = tmp_path / "host"
    subprocess.run(["cc", "-x", "c", "-o", str(path), "-"], input=b"int main(void){return 0;}", check=True)
    with pytest.raises(InputError, match="expected a linked 32-bit little-endian Arm ELF"):
        Image(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        Image(tmp_path / "none.elf")
