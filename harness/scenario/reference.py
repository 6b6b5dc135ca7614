"""The reference page of the scenario format, written from the schema."""

from __future__ import annotations

import inspect
import json
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness.quantity import SizeBounds, format_size
from harness.scenario.document import MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES
from harness.scenario.matrix import MAX_ENTRIES, MAX_RUNS
from harness.scenario.schema import Scenario
from harness.scenario.vocabulary import expandable_keys, expected, layer_types, section_of

_INTRODUCTION = """# Scenario files

<!-- Written by `harness schema --format markdown --output docs/scenario.md`. Change harness/scenario/schema.py. -->

A scenario is one YAML file that describes training a model on a data set within a budget. `harness validate FILE...`
checks it without running it, `harness run FILE` runs it.

```yaml
name: example
model: {name: digits-cnn}
dataset: {name: digits, train: 1000, test: 400}
training: {epochs: 3, update: {min_ratio: 10 %}}
memory: {ram_budget: 64 KiB}
matrix:
  platform: [nrf52840, rp2040]
  training.dtype: [uint8, float32]
```

Editors with a YAML language server complete and check scenario files by `scenarios/schema.json`; the setting for
Visual Studio Code comes with the project, and this first line does it anywhere:
`# yaml-language-server: $schema=schema.json`.

- **Scalars** are read as in YAML 1.2: `true` and `false` are the only truth values (`yes` is text), `1e-3` is a number.
- **Sizes** are bytes: `65536`, `64 KiB` (1024), `64 KB` (1000), `1 MiB`, `1.5 KiB`.
- **Ratios** are numbers or per cent: `0.5`, `50 %`.
- A key without a value takes its default only where the default is empty; otherwise leave the key out.
- Anchors and aliases work; merge keys (`<<`), tags and several documents in one file do not.
- **Bounds** of a file: {size}, {nodes} values (an alias counts each time), {depth} levels.

Everything wrong in a file is reported at once, one line each: `file:line:column: key: what is wrong; expected ...`.
"""

_MATRIX = """
## matrix

One run for each combination of the values listed for dotted keys, as in the workflow files of CI systems. Each run has
a label made of the scenario's name and its matrix values in order: `quickstart[nrf52840,uint8,0.1]`.

```yaml
matrix:
  platform: [nrf52840, rp2040]
  training.dtype: [uint8, float32]
  exclude:
    - {platform: rp2040, training.dtype: float32}
  include:
    - {platform: nrf52840, engine.steps: 128}
    - {platform: imxrt1062, training.dtype: uint8}
```

1. The lists give every **combination** of their values, at most {runs}; the first key varies slowest.
2. **`exclude`** removes the combinations that have all the values of an entry. An entry that matches none is an error:
   it is out of date or misspelt.
3. **`include`** takes its entries in order. An entry that contradicts no value of a combination adds its other keys to
   it (the first above: 128 steps on every nrf52840). An entry that fits no combination becomes a run of its own (the
   second). Keys added this way stand in the label as `key=value`.

At most {entries} entries each. A value of the matrix replaces the value of the same key in the rest of the file. These
keys can be varied:

{keys}
"""


def reference() -> str:
    """Return the reference of all keys as Markdown."""
    parts = [
        _INTRODUCTION.replace("{size}", format_size(MAX_FILE_BYTES))
        .replace("{nodes}", str(MAX_NODES))
        .replace("{depth}", str(MAX_DEPTH)),
        "\n## Keys\n",
        *_section(Scenario, ""),
        "\n## Layers\n\nThe entries of `model.layers`, each with a `type`.\n",
    ]
    for name, layer in layer_types().items():
        fields = {key: field for key, field in layer.model_fields.items() if key != "type"}
        parts.append(f"\n### {name}\n\n{inspect.getdoc(layer)}\n")
        parts += _table(fields, "") if fields else []
    keys = "\n".join(f"- `{key}`" for key in expandable_keys())
    parts.append(
        _MATRIX.replace("{runs}", str(MAX_RUNS)).replace("{entries}", str(MAX_ENTRIES)).replace("{keys}", keys)
    )
    return "".join(parts)


def _section(section: type[BaseModel], prefix: str) -> list[str]:
    """Return the table of one section, then those of the sections in it."""
    heading = f"\n### {prefix.rstrip('.')}\n" if prefix else ""
    parts = [heading, f"\n{inspect.getdoc(section)}\n", *_table(section.model_fields, prefix)]
    for name, field in section.model_fields.items():
        inner = section_of(field)
        if inner:
            parts += _section(inner, f"{prefix}{name}.")
    return parts


def _table(fields: dict[str, FieldInfo], prefix: str) -> list[str]:
    """Return one row a key: what it means, what it takes, its default and an example."""
    rows = ["\n| key | meaning | takes | default | example |\n|---|---|---|---|---|\n"]
    for name, field in fields.items():
        takes = f"see [{prefix}{name}](#{(prefix + name).replace('.', '')})" if section_of(field) else expected(field)
        example = f"`{_text(field.examples[0], field)}`" if field.examples else ""
        cells = [f"`{prefix}{name}`", field.description or "", takes, _default(field), example]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return rows


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if section_of(field) or field.get_default(call_default_factory=True) in (None, "", []):
        return ""
    return f"`{_text(field.default, field)}`"


def _text(value: Any, field: FieldInfo) -> str:
    """Return a value as it is written in YAML."""
    if isinstance(value, int) and any(isinstance(item, SizeBounds) for item in field.metadata):
        return format_size(value)
    return value if isinstance(value, str) else json.dumps(value)
