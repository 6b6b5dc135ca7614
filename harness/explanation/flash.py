"""What the flash is filled with: by section, by function or object, and the weights by layer. All of it is exact."""

from __future__ import annotations

from dataclasses import dataclass

from harness.cost import static_memory
from harness.explanation.stored_run import StoredRun

REST = "(literals, alignment)"


@dataclass(frozen=True)
class FlashPart:
    """Bytes of one function or object in one section; `kind` is `function`, `object` or `rest`."""

    section: str
    name: str
    kind: str
    size_bytes: int


def flash_parts(run: StoredRun) -> list[FlashPart]:
    """Return what fills each section, the largest first; together they are the flash of the results.

    What lies under no symbol, as tables of the linker and gaps, is the rest of its section.
    """
    in_flash = static_memory(run.image, run.platform).flash_bytes
    found: list[FlashPart] = []
    for section in run.image.sections:
        if section.name not in in_flash:
            continue
        end, covered = section.address + section.size_bytes, section.address
        inside = [symbol for symbol in run.image.placed if section.address <= symbol.address < end]
        for symbol in inside:
            # Aliases cover the same bytes; the first one by address, the largest, counts.
            size = min(symbol.address + symbol.size_bytes, end) - max(covered, symbol.address)
            if size > 0:
                kind = "function" if symbol.is_function else "object"
                found.append(FlashPart(section.name, symbol.name, kind, size))
                covered = max(covered, symbol.address + symbol.size_bytes)
        rest = section.size_bytes - sum(part.size_bytes for part in found if part.section == section.name)
        if rest:
            found.append(FlashPart(section.name, REST, "rest", rest))
    return sorted(found, key=lambda part: (-part.size_bytes, part.name))


def weights_by_layer(run: StoredRun) -> dict[str, int]:
    """Return the bytes of constants of each layer that lie in flash: weights and biases, and their quantization.

    Trained weights count as well, because flash holds what they begin with.
    """
    sizes: dict[str, int] = {}
    for tensor in run.layout.tensors:
        if tensor.layer_name and (tensor.place == "flash" or tensor.initial):
            sizes[tensor.layer_name] = sizes.get(tensor.layer_name, 0) + tensor.size_bytes
    return sizes
