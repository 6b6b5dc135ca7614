"""Working memory of the uint8 convolution and dense kernels: how much the plan sets aside for each operation.

The kernels use what they are given (struct scratch of firmware/kernels/scratch.h): less memory means smaller blocks,
and the sizes here are the smallest at which larger blocks no longer pay.
"""

from __future__ import annotations

from harness.plan.graph import Node

_GROUP = 4
"""Columns are padded to whole words of weights."""

_COLUMNS_BYTES = 4
"""Two columns of int16 or one of int32, per row; the bytes they are widened from take one more."""

_LANE_BYTES = 2
_ROW_PAIR_BYTES = 12
_ERROR_BLOCK_BYTES = 2048
_ERROR_CHANNELS = 12
_GRADIENT_POSITIONS = 128
_POINTWISE_TILE = (16, 8)
_WINDOW_TILE = (8, 4)
_GRADIENT_BYTES = 4
_BURSTS = (16, 8)
_BURST_SHARE = 1 / 16


def _padded(elements: int) -> int:
    return -(-elements // _GROUP) * _GROUP


def forward_scratch_bytes(node: Node) -> int:
    """Return the bytes for columns of a convolution's input, or for the widened input of a dense layer."""
    if _is_uint8(node, "dense"):
        return _LANE_BYTES * node.elements
    return (_COLUMNS_BYTES + 1) * _padded(node.elements) if _is_uint8(node, "conv2d") else 0


def error_scratch_bytes(node: Node) -> int:
    """Return the bytes for columns of output errors and, beside them, the weights of a block of input channels.

    A dense layer needs a table of its rows, in pairs.
    """
    if _is_uint8(node, "dense"):
        return _ROW_PAIR_BYTES * -(-node.structures // 2)
    if not _is_uint8(node, "conv2d"):
        return 0
    rows, channels = _padded(_taps(node) * node.structures), node.input_shape[2]
    block = min(channels, max(_ERROR_CHANNELS, _ERROR_BLOCK_BYTES // rows))
    return (_COLUMNS_BYTES + 1 + block) * rows


def gradient_scratch_bytes(node: Node) -> int:
    """Return the bytes of planes of errors and inputs for a tile of a convolution's gradient, and of its sums."""
    if not _is_uint8(node, "conv2d"):
        return 0
    assert node.window is not None
    assert node.stride is not None
    taps, channels = _taps(node), node.input_shape[2]
    most_filters, most_channels = _POINTWISE_TILE if taps == 1 else _WINDOW_TILE
    filters, channels = min(node.structures, most_filters), min(channels, most_channels)
    height, width = node.output_shape[0], node.output_shape[1]
    dense_taps = node.stride == (1, 1)
    beside, below = (node.window[1] - 1, node.window[0] - 1) if dense_taps else (0, 0)
    pitch = (width + beside + 1) // 2 * 2
    rows = min(height, -(-_GRADIENT_POSITIONS // pitch))
    error_plane = rows * pitch
    input_plane = (rows + below) * pitch + (beside + 1) // 2 * 2
    return 4 * filters * channels * taps + 2 * (filters * error_plane + channels * input_plane)


def burst_steps(node: Node) -> int:
    """Return how many steps a dense layer keeps to add their gradients in one go: as many as cost next to no memory."""
    if not _is_uint8(node, "dense"):
        return 0
    gradient_bytes = _GRADIENT_BYTES * node.elements * node.structures
    step_bytes = node.elements + _LANE_BYTES * node.structures
    return next((steps for steps in _BURSTS if steps * step_bytes <= _BURST_SHARE * gradient_bytes), 0)


def _is_uint8(node: Node, kind: str) -> bool:
    return node.kind == kind and node.dtype == "uint8"


def _taps(node: Node) -> int:
    assert node.window is not None
    return node.window[0] * node.window[1]
