"""The tables of docs/networks.md are those of the networks."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from harness.model import Network, load_network, network_names, weights_shape

DOCUMENT = (Path(__file__).resolve().parent.parent / "docs" / "networks.md").read_text()


def sizes(network: Network) -> list[tuple[int, int]]:
    """Parameters and multiply-accumulates of each layer."""
    found = []
    for index, (layer, output) in enumerate(zip(network.layers, network.shapes()[1:], strict=True)):
        structures, elements = weights_shape(network, index) if layer.trainable else (0, 0)
        places = math.prod(output[:-1])
        found.append((structures * (elements + 1), structures * elements * places))
    return found


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def shape(text: str) -> tuple[int, ...]:
    return tuple(int(extent) for extent in text.split("x"))


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_every_network_is_listed_with_its_size() -> None:
    listed = {row[0].strip("`"): row for row in rows(DOCUMENT.split("## mbednet")[0])[2:]}
    assert set(listed) == set(network_names())
    for name, (_, given, weighted, parameters, macs, _) in listed.items():
        network = load_network(name)
        assert shape(given) == network.input_shape
        assert int(weighted) == sum(layer.trainable for layer in network.layers)
        assert number(parameters) == sum(size for size, _ in sizes(network))
        assert number(macs) == sum(count for _, count in sizes(network))


@pytest.mark.parametrize("name", ["mbednet", "mcunet-tail"])
def test_the_layer_table_is_that_of_the_network(name: str) -> None:
    section = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{name}\n")]
    network = load_network(name)
    table = rows(text)[2 : 2 + len(network.layers)]
    for row, layer, output, (parameters, macs) in zip(
        table, network.layers, network.shapes()[1:], sizes(network), strict=True
    ):
        assert row[1].strip("`") == layer.type
        assert shape(row[2]) == output
        assert row[3] == str(getattr(layer, "kernel", ""))
        assert (number(row[6]), number(row[7])) == (parameters, macs)
