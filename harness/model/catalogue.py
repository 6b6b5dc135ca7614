"""Networks by name."""

from __future__ import annotations

from harness.errors import InputError, nearest
from harness.model.network import Network
from harness.model.networks import NETWORKS


def network_names() -> tuple[str, ...]:
    """Return the names of the networks that ship with the harness."""
    return tuple(NETWORKS)


def load_network(name: str) -> Network:
    """Return the network `name`; raise InputError when there is none."""
    if name not in NETWORKS:
        raise InputError(f"unknown model '{name}': {nearest(name, NETWORKS)}")
    return NETWORKS[name]
