"""Networks and weights from and to ONNX files. Needs the package onnx, an extra, only when it is used."""

from harness.model.onnx.export import onnx_model
from harness.model.onnx.reading import read_onnx

__all__ = ["onnx_model", "read_onnx"]
