"""The trained network of a stored run as an ONNX model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.errors import InputError
from harness.model import LayerSpec, Network, load_network, network_of_layers, read_weights
from harness.model.onnx import onnx_model
from harness.result import Document
from harness.result.evidence import WEIGHTS


def export_run(document: Document, folder: Path) -> bytes:
    """Return the network of a run with its trained weights, in float32, as an ONNX model.

    `folder` is the output folder of the run. Raises InputError when the run failed or its weights are gone, and
    MissingToolError without the package onnx.
    """
    run, settings = document.run, document.settings
    label = run.label or run.id
    if document.status == "failed":
        raise InputError(f"{folder}: {label} failed and has no trained weights: {document.reason}")
    network = _network(document, folder)
    weights = read_weights(folder / WEIGHTS / f"{run.id}.npz", network)
    training: Any = settings["training"]
    dataset: Any = settings["dataset"]
    metadata = {
        "run": label,
        "dataset": str(dataset["name"]),
        "dtype": str(training["dtype"]),
        "harness": document.provenance.harness,
    }
    assert document.accuracy is not None
    metadata["accuracy_test"] = f"{document.accuracy.test:.6g}"
    return onnx_model(
        network,
        weights,
        f"{label}, trained by harness: weights of {training['dtype']} training as float32. Samples are real values, "
        "channels first.",
        metadata,
    )


def _network(document: Document, folder: Path) -> Network:
    """Return the network of a run, from the name or the layers that stand in its result."""
    model: Any = document.settings["model"]
    try:
        if model.get("layers") is None:
            return load_network(model["name"])
        layers = TypeAdapter(list[LayerSpec]).validate_python(model["layers"])
        network = network_of_layers(layers, tuple(int(extent) for extent in model["input_shape"]))
        network.shapes()
    except (AttributeError, KeyError, TypeError, ValidationError) as error:
        raise InputError(f"{folder}: the result of {document.run.label} names no network: {error}") from None
    return network
