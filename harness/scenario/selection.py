"""Which runs of many are meant: by name, by tag, or by the value of a key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from harness.errors import InputError
from harness.scenario.choice import one_of
from harness.scenario.schema import Scenario

_TAG = "tag:"


def select(scenarios: Sequence[Scenario], wanted: Sequence[str], unwanted: Sequence[str]) -> list[Scenario]:
    """Return the scenarios that one of `wanted` means (all, when there is none) and none of `unwanted` does.

    A word is `tag:TAG`, `KEY=VALUE` with a key such as `training.dtype` or its last parts, or a name or label; patterns
    with `*` and `?` work in all but the key. Raises InputError for a key that no scenario has, for a word that means
    none of `scenarios`, and when no scenario is left.
    """
    meant = {word: [_means(word, scenario) for scenario in scenarios] for word in (*wanted, *unwanted)}
    for option, words in (("--select", wanted), ("--exclude", unwanted)):
        for word in words:
            if not any(meant[word]):
                raise InputError(f"{option} {word}: means none of the {len(scenarios)} runs; {_offer(word, scenarios)}")
    chosen = [
        scenario
        for number, scenario in enumerate(scenarios)
        if (not wanted or any(meant[word][number] for word in wanted))
        and not any(meant[word][number] for word in unwanted)
    ]
    if not chosen:
        raise InputError(f"--exclude leaves none of the {len(scenarios)} runs; expected at least one")
    return chosen


def _means(word: str, scenario: Scenario) -> bool:
    if word.startswith(_TAG):
        return any(fnmatchcase(tag, word.removeprefix(_TAG)) for tag in scenario.tags)
    key, equals, value = word.partition("=")
    if equals:
        return any(fnmatchcase(_text(found), value) for found in _values(scenario, key))
    pattern = word.replace("[", "[[]")  # labels have brackets of their own
    return any(fnmatchcase(name, pattern) for name in (scenario.name, scenario.label))


def _values(scenario: Scenario, key: str) -> list[Any]:
    """Return the values of the keys that are `key` or end in it."""
    settings = dict(_flat(scenario.model_dump(mode="json", exclude={"tags"})))
    found = [value for name, value in settings.items() if f".{name}".endswith(f".{key}")]
    if key in settings:
        found = [settings[key]]
    # `model` and `platform` are words people use; a section's name stands for the section.
    found += [settings[f"{key}.name"]] if f"{key}.name" in settings else []
    if not found:
        raise InputError(
            f"unknown key '{key}'; {one_of(key, {*settings, *(name.rpartition('.')[2] for name in settings)})}"
        )
    return found


def _flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _offer(word: str, scenarios: Sequence[Scenario]) -> str:
    if word.startswith(_TAG):
        tags = sorted({tag for scenario in scenarios for tag in scenario.tags})
        return one_of(word.removeprefix(_TAG), tags) if tags else "they have no tags"
    key, equals, value = word.partition("=")
    if equals:
        return one_of(value, {_text(found) for scenario in scenarios for found in _values(scenario, key)})
    return one_of(word, {scenario.name for scenario in scenarios})
