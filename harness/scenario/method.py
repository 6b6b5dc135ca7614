"""Named training methods: the keys of `training` that a method settles, and the defaults that it brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MethodName = Literal["harness", "paper"]


@dataclass(frozen=True)
class Method:
    """`settled` are the keys that make the method what it is, `defaults` those that a scenario may change."""

    settled: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)


METHODS: dict[MethodName, Method] = {
    "harness": Method(),
    # Deutel et al. 2025 (arXiv 2407.10734). Where ranges come from is published in two forms; errors are those of the
    # poster, activations those of the follow-up, because nothing trains from scratch in the ranges of initial weights.
    # Learning rate and batch size are the follow-up's, epochs those of the partial updates: no others are published.
    "paper": Method(
        settled={
            "optimizer.name": "standardized",
            "schedule.name": "constant",
            "quantization.rounding": "nearest",
            "quantization.weight_smoothing": 1.0,
            "quantization.weight_slack": 0.0,
        },
        defaults={
            "epochs": 20,
            "batch_size": 100,
            "learning_rate": 0.001,
            "quantization.activations": "tracked",
            "quantization.errors": "fixed",
        },
    ),
}
"""The methods by name; what one does not mention has the default of the key."""


def with_method(training: Any) -> Any:
    """Return the section `training` as written, completed by what its method settles and has as defaults.

    What is written stays. A section that is wrong stays wrong, for whoever checks it.
    """
    name = training.get("method") if isinstance(training, dict) else None
    if not isinstance(name, str) or name not in METHODS:
        return training
    method = METHODS[name]
    completed = dict(training)
    for key, value in {**method.settled, **method.defaults}.items():
        *sections, last = key.split(".")
        section = completed
        for part in sections:
            inner = section.get(part, {})
            if not isinstance(inner, dict):
                break
            section[part] = section = dict(inner)
        else:
            section.setdefault(last, value)
    return completed
