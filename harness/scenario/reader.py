"""From a YAML file to checked scenarios, one a run; every error names file, line, column and key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.dataset import OWN, DatasetInfo, dataset_info
from harness.errors import InputError
from harness.scenario.complaint import complaint, error_path
from harness.scenario.document import Document, read_document
from harness.scenario.matrix import Combination, expand_matrix, matrix_keys
from harness.scenario.schema import Scenario
from harness.scenario.source import Path as KeyPath
from harness.scenario.source import Source, format_path, parse_path

_MAX_ERRORS = 200
_ENGINE = "engine.name"


def read_scenarios(path: Path, engine: str | None = None) -> list[Scenario]:
    """Return the runs of the scenario file `path`, in the order of its matrix; `engine` replaces `engine.name`.

    Raises InputError with one line an error, `file:line:column: key.path: what is wrong; expected ...`, naming all
    independent errors of the file.
    """
    document = read_document(path)
    if engine is not None and _ENGINE in matrix_keys(document):
        raise InputError(
            f"{document.file}: the matrix gives {_ENGINE}; expected a scenario without it to run on {engine}"
        )
    _check_base(document)
    runs = expand_matrix(document)
    document.check()
    scenarios = [
        scenario for variant, combination in runs if (scenario := _run(document, variant, combination, engine))
    ]
    document.check()
    return scenarios


def _check_base(document: Document) -> None:
    """Report what is wrong outside the matrix and cannot be mended by it."""
    data = {key: value for key, value in document.data.items() if key != "matrix"}
    source = Source(document.file, document.values, document.keys)
    varied = [parse_path(key) for key in matrix_keys(document)]
    try:
        Scenario.model_validate(data, strict=True)
    except ValidationError as error:
        for details in error.errors(include_url=False)[:_MAX_ERRORS]:
            location = error_path(details)
            mendable = details["type"] in {"missing", "conflict"}
            if mendable and any(key[: len(location)] == location for key in varied):
                continue
            _report(document, source, details, data)


def _run(document: Document, variant: str, combination: Combination, engine: str | None) -> Scenario | None:
    """Return the scenario of one combination, or None when it is wrong."""
    data = {key: value for key, value in document.data.items() if key != "matrix"}
    if engine is not None:
        _put(data, _ENGINE.split("."), engine)
    for key, cell in combination.items():
        _put(data, key.split("."), cell.written)
    overrides = {key: cell.path for key, cell in combination.items()}
    source = Source(document.file, document.values, document.keys, overrides, variant)
    try:
        scenario = Scenario.model_validate(data, strict=True)
    except ValidationError as error:
        for details in error.errors(include_url=False)[:_MAX_ERRORS]:
            _report(document, source, details, data)
        return None
    scenario._source = source
    _check_data(document, scenario, source)
    return scenario


def _put(data: dict[str, Any], parts: list[str], value: Any) -> None:
    """Set a nested key, copying the sections on the way because runs share them."""
    for part in parts[:-1]:
        section = data.get(part)
        data[part] = dict(section) if isinstance(section, dict) else {}
        data = data[part]
    data[parts[-1]] = value


def _report(document: Document, source: Source, details: ErrorDetails, data: dict[str, Any]) -> None:
    """Report one error of Pydantic at the key or value that causes it."""
    path = error_path(details)
    message = complaint(details, path, data)
    if details["type"] == "extra_forbidden":
        place = source.place_of_key(path)
    elif details["type"] == "missing":
        place = source.place_of_key(path[:-1])
    else:
        if details["type"] == "conflict":
            path = _blamed(source, path, details["ctx"]["keys"])
        place = source.place(path)
    document.report(place, format_path(path), message)


def _blamed(source: Source, section: KeyPath, keys: tuple[str, ...]) -> KeyPath:
    """Return which of several conflicting keys to name: one the matrix sets, else the first that is written."""
    paths = [section + parse_path(key) for key in keys]
    varied = [path for path in paths if source.origin(path) != path]
    written = [path for path in paths if source.is_written(path)]
    return (varied + written + [section])[0]


def _check_data(document: Document, scenario: Scenario, source: Source) -> None:
    """Report a data set that is too small, and a network that does not fit the data or its own shapes."""

    def report(key: KeyPath, message: str) -> None:
        document.report(source.place(key), format_path(key), message)

    try:
        info = scenario.dataset_info()
    except InputError as error:
        key = "file" if scenario.dataset.file else "folder"
        report(("dataset", key if source.is_written(("dataset", key)) else "name"), str(error))
        return
    treatment = scenario.dataset.treatment()
    problem = treatment.problem(info)
    if problem:
        report(("dataset", *parse_path(problem[0])), problem[1])
    excess = info.excess(scenario.dataset.train, scenario.dataset.test)
    if excess and not treatment.shift.groups:
        report(("dataset", excess[0]), excess[1])
    written_out = scenario.model.layers is not None
    _check_pretraining(scenario, info, report)
    origin = "layers" if written_out else "onnx" if scenario.model.onnx is not None else "name"
    model: KeyPath = ("model", origin)
    try:
        network = scenario.network()
    except InputError as error:
        report(model, str(error))
        return
    if network.input_shape != info.shape:
        report(
            model,
            f"{network.name} reads images of {_shape(network.input_shape)}; expected a network for "
            f"{_shape(info.shape)}, the shape of the data set {info.name}",
        )
        return
    try:
        shapes = network.shapes()
    except InputError as error:
        where, _, what = str(error).partition(": ")
        report((*model[:1], *parse_path(where)), f"{what}; expected layers whose shapes fit")
        return
    if shapes[-1] != (info.classes,):
        last: KeyPath = (*model, len(network.layers) - 1) if written_out else model
        report(last, f"gives outputs of {_shape(shapes[-1])}; expected {info.classes}, one a class of {info.name}")
    weighted = sum(layer.trainable for layer in network.layers)
    trained = scenario.training.trainable_layers
    if isinstance(trained, int) and trained > weighted:
        report(
            ("training", "trainable_layers"),
            f"{trained} layers; expected at most {weighted}, the layers with weights of this network",
        )


def _check_pretraining(scenario: Scenario, info: DatasetInfo, report: Callable[[KeyPath, str], None]) -> None:
    """Report data of the pretraining that do not fit those of the device or are too few."""
    pretraining, dataset = scenario.pretraining, scenario.dataset
    if not pretraining.epochs:
        return
    wanted = pretraining.train or dataset.train
    key: KeyPath = ("pretraining", "train" if pretraining.train else "epochs")
    if pretraining.dataset in (None, dataset.name):
        left = scenario.pretraining_skips
        if info.excess(left, dataset.test) is None and info.excess(left + wanted, dataset.test):
            report(
                key,
                f"{wanted} samples beside the {left} of dataset.train; {info.name} has "
                f"{info.train_samples}{'' if info.split else f', of which {dataset.test} are for the test'}; expected "
                "fewer of both together",
            )
        return
    other = dataset_info(pretraining.dataset) if pretraining.dataset not in OWN else None
    if other is None or other.obtain:
        report(
            ("pretraining", "dataset"),
            f"{pretraining.dataset} is in files of one's own; expected the data set "
            f"{dataset.name} itself, or one that a package ships",
        )
    elif (other.shape, other.classes) != (info.shape, info.classes):
        report(
            ("pretraining", "dataset"),
            f"{other.name} has samples of {_shape(other.shape)} in {other.classes} classes; expected "
            f"{_shape(info.shape)} in {info.classes}, as {info.name} has",
        )
    elif excess := other.excess(wanted, dataset.test):
        report(key if excess[0] == "train" else ("dataset", "test"), excess[1])


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(extent) for extent in shape)
