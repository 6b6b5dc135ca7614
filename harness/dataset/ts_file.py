"""The `.ts` text format of the time series classification archives: https://www.timeseriesclassification.com."""

from __future__ import annotations

import numpy as np

from harness.dataset.sample import Labels
from harness.dataset.series import Values
from harness.errors import InputError


def read_ts(name: str, content: bytes, shape: tuple[int, int, int]) -> tuple[Values, Labels]:
    """Return the series as (cases, time, channels) and the labels (cases,), in the order `@classLabel` names them.

    `shape` is the expected one. A case is one line, its channels separated by colons and ended by its class. Raises
    InputError when anything is missing, of another number, or not a finite number.
    """
    count, length, channels = shape
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{name}: is no text in UTF-8") from None
    classes: list[str] = []
    cases: list[list[list[float]]] = []
    labels: list[int] = []
    in_data = False
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith(("#", "%")):
            continue
        if not in_data:
            key, *values = line.split()
            if key.lower() == "@classlabel" and values[:1] == ["true"]:
                classes = values[1:]
            in_data = key.lower() == "@data"
            continue
        *texts, label = line.split(":")
        if label not in classes:
            raise InputError(f"{name}:{number}: class '{label[:40]}'; expected one of {', '.join(classes) or 'none'}")
        try:
            case = [[float(value) for value in text.split(",")] for text in texts]
        except ValueError as error:
            raise InputError(f"{name}:{number}: {error}") from None
        if [len(channel) for channel in case] != [length] * channels:
            raise InputError(f"{name}:{number}: expected {channels} channels of {length} values, separated by colons")
        cases.append(case)
        labels.append(classes.index(label))
    if len(cases) != count:
        raise InputError(f"{name}: has {len(cases)} cases; expected {count}")
    series = np.array(cases, dtype=np.float64)
    if not np.isfinite(series).all():
        raise InputError(f"{name}: has values that are not finite numbers")
    return series.transpose(0, 2, 1), np.array(labels, dtype=np.uint8)
