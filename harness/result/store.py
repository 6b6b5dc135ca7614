"""The output folder of a suite: results.csv, layers.csv, results.json.

With them seeds.csv where runs differ only in their seed, and results.parquet where pyarrow is there.
"""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from harness.assets import write_atomically
from harness.errors import InputError
from harness.result.document import Document
from harness.result.firmware_sources import store_sources
from harness.result.frame import Row, layer_frame, result_frame
from harness.result.seeds import has_seeds, seed_frame, seed_rows

DOCUMENTS = "results.json"
TABLE = "results.csv"
LAYERS = "layers.csv"
SEEDS = "seeds.csv"
PARQUET = "results.parquet"


def write_results(folder: Path, documents: Sequence[Document]) -> list[Path]:
    """Write `documents` into `folder` and return the files written.

    Each file is replaced in one piece; results.json comes last, so what it describes is there when it is. The sources
    of the firmware that the runs were built from are kept with them.
    """
    for content in {document.evidence.sources for document in documents if document.evidence}:
        store_sources(folder, content)
    frame = result_frame(documents)
    contents: dict[str, bytes | None] = {
        TABLE: _csv(frame),
        LAYERS: _csv(layer_frame(documents)),
        SEEDS: None,
        PARQUET: None,
    }
    # Through JSON text, because only there pydantic writes the NaN of a diverged loss as a string.
    body: dict[str, Any] = {"documents": [json.loads(document.model_dump_json()) for document in documents]}
    if has_seeds(documents):
        contents[SEEDS] = _csv(seed_frame(documents))
        body["seeds"] = [_without_nan(row) for row in seed_rows(documents)]
    if importlib.util.find_spec("pyarrow"):
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        contents[PARQUET] = buffer.getvalue()
    contents[DOCUMENTS] = (json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    for name, data in contents.items():
        if data is None:
            (folder / name).unlink(missing_ok=True)  # one of an earlier run would contradict the new table
        else:
            write_atomically(folder / name, data)
    return [folder / name for name, data in contents.items() if data is not None]


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _without_nan(row: Row) -> Row:
    return {name: str(value) if value != value else value for name, value in row.items()}


def read_results(path: Path) -> list[Document]:
    """Return the documents of an output folder, or of a results.json.

    Raises InputError when there is none, or when it is not what `write_results` writes.
    """
    file = path / DOCUMENTS if path.is_dir() else path
    try:
        body = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: cannot read results: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: no results of this harness: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("documents"), list):
        raise InputError(f"{file}: no results of this harness: expected an object with a list 'documents'")
    documents = []
    for index, entry in enumerate(body["documents"]):
        try:
            documents.append(Document.model_validate(entry))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(["documents", str(index), *(str(part) for part in first["loc"])])
            raise InputError(f"{file}: {where}: {first['msg']}") from error
    return documents
