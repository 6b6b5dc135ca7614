"""The package onnx, which is an extra of the project."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from harness.errors import MissingToolError


def onnx_package() -> ModuleType:
    """Return the package onnx.

    Raises MissingToolError, naming the command that installs it, when it is absent or does not fit its protobuf.
    """
    try:
        return importlib.import_module("onnx")
    except ModuleNotFoundError:
        raise MissingToolError(f"ONNX files need the package onnx: {sys.executable} -m pip install onnx") from None
    except Exception as error:  # protobuf raises errors of its own, which differ by version
        reason = " ".join(str(error).split())[:300]
        raise MissingToolError(
            f"the package onnx cannot be imported, as with a protobuf of another version: {reason}; try "
            f"{sys.executable} -m pip install --upgrade onnx protobuf"
        ) from None
