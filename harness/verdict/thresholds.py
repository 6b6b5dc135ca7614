"""What counts as a regression: limits for each metric, from a YAML file."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from harness.assets import asset_dir
from harness.quantity import parse_ratio, show
from harness.result import Document
from harness.scenario.choice import one_of
from harness.scenario.document import Document as YamlDocument
from harness.scenario.document import read_document
from harness.scenario.source import Path as KeyPath
from harness.scenario.source import Source, format_path
from harness.verdict.metric import ACCURACY, METRICS

_READY = {"ratio", "name"}


def default_thresholds() -> Path:
    """Return the file that holds when no other is named."""
    return asset_dir("reports") / "thresholds.yaml"


def _ratio(value: object) -> float:
    try:
        return parse_ratio(value)
    except ValueError as error:
        raise PydanticCustomError("ratio", "{message}", {"message": str(error)}) from None


def _amount(value: object) -> object:
    return _ratio(value) if isinstance(value, str) else value


def _known(name: str) -> str:
    if name not in METRICS:
        message = f"unknown metric {show(name)}; {one_of(name, METRICS)}"
        raise PydanticCustomError("name", "{message}", {"message": message})
    return name


Ratio = Annotated[float, BeforeValidator(_ratio)]
Name = Annotated[str, AfterValidator(_known)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Strict):
    """The limit of one metric: worse by more than `growth` of the earlier number and by more than `amount`."""

    growth: Ratio = Field(0.0, description="a share of the earlier number such as 1 %")
    amount: Annotated[float, BeforeValidator(_amount)] = Field(
        0.0, ge=0, description="a number in the unit of the metric, at least 0; a share for an accuracy"
    )
    significance: Ratio = Field(0.05, description="a share such as 0.05: how likely a false alarm may be")
    single: Ratio = Field(0.05, description="a share such as 5 %: the drop that counts when there is a single seed")
    judge: bool = Field(True, description="true, or false for a metric that is shown and never a regression")

    def exceeded(self, before: float, worsening: float) -> bool:
        """Say whether a number that was `before` has become worse by too much."""
        return self.judge and worsening > 0 and worsening > self.growth * abs(before) and worsening > self.amount


class Thresholds(_Strict):
    """The limits of all metrics, and others for the scenarios or labels that match a pattern."""

    metrics: dict[Name, Threshold] = Field(description="a mapping from metrics to limits")
    scenarios: dict[str, dict[Name, Threshold]] = Field(
        default={}, description="a mapping from patterns of scenarios or labels to limits of metrics"
    )

    def of(self, metric: str, document: Document) -> Threshold:
        """Return the limit of a metric for a run."""
        found = self.metrics.get(metric, Threshold())
        for pattern, limits in self.scenarios.items():
            if metric in limits and any(
                fnmatchcase(name, pattern) for name in (document.run.scenario, document.run.label)
            ):
                found = limits[metric]
        return found


def read_thresholds(path: Path) -> Thresholds:
    """Return the limits of a file.

    Raises InputError with one line an error, `file:line:column: key.path: what is wrong; expected ...`.
    """
    document = read_document(path)
    document.check()
    try:
        found = Thresholds.model_validate(document.data)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _report(document, details)
        document.check()
        raise
    for path_of_metric, limit in _written(found):
        if ACCURACY not in path_of_metric:
            for key in limit.model_fields_set & {"significance", "single"}:
                document.report_at((*path_of_metric, key), f"has no meaning here; expected it at {ACCURACY} only")
    document.check()
    return found


def _written(thresholds: Thresholds) -> list[tuple[KeyPath, Threshold]]:
    found: list[tuple[KeyPath, Threshold]] = [(("metrics", name), limit) for name, limit in thresholds.metrics.items()]
    for pattern, limits in thresholds.scenarios.items():
        found += [(("scenarios", pattern, name), limit) for name, limit in limits.items()]
    return found


def _report(document: YamlDocument, details: ErrorDetails) -> None:
    source = Source(document.file, document.values, document.keys)
    location = tuple(details["loc"])
    is_key = location[-1:] == ("[key]",)
    path: KeyPath = location[:-1] if is_key else location
    kind = details["type"]
    if kind == "missing":
        place = source.place_of_key(path[:-1])
    else:
        place = source.place_of_key(path) if is_key or kind == "extra_forbidden" else source.place(path)
    document.report(place, format_path(path), _complaint(details, path))


def _complaint(details: ErrorDetails, path: KeyPath) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _READY:
        return str(context["message"])
    section: Any = Thresholds if len(path) == 1 else Threshold
    if kind == "extra_forbidden":
        return f"unknown key; {one_of(str(path[-1]), section.model_fields)}"
    field = section.model_fields.get(str(path[-1]))
    wanted = field.description if field is not None else "limits such as {growth: 1 %}"
    return f"missing key; expected {wanted}" if kind == "missing" else f"{show(details['input'])}: expected {wanted}"
