"""Working memory of the uint8 kernels of layers with weights: how much the plan sets aside for each operation.

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
_PLANE_BYTES = 512
_WANTED_BYTES = 12
"""A sum and two places, for each output of a row."""

_SUM_BYTES = 4
_LANE_BYTES_AT_MOST = 4
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
    if _is_uint8(node, "depthwise_conv2d"):
        assert node.stride is not None
        return _sliding_bytes(node, node.output_shape, node.stride)
    return (_COLUMNS_BYTES + 1) * _padded(node.elements) if _is_uint8(node, "conv2d") else 0


def error_scratch_bytes(node: Node) -> int:
    """Return the bytes for columns of output errors and, beside them, the weights of a block of input channels.

    A dense layer needs a table of its rows, in pairs.
    """
    if _is_uint8(node, "dense"):
        return _ROW_PAIR_BYTES * -(-node.structures // 2)
    if _is_uint8(node, "depthwise_conv2d"):
        return _sliding_bytes(node, node.input_shape, (1, 1))
    if not _is_uint8(node, "conv2d"):
        return 0
    rows, channels = _padded(_taps(node) * node.structures), node.input_shape[2]
    block = min(channels, max(_ERROR_CHANNELS, _ERROR_BLOCK_BYTES // rows))
    return (_COLUMNS_BYTES + 1 + block) * rows


def gradient_scratch_bytes(node: Node) -> int:
    """Return the bytes of planes of errors and inputs for a tile of a convolution's gradient, and of its sums."""
    if _is_uint8(node, "depthwise_conv2d"):
        return _depthwise_gradient_bytes(node)
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
    if taps == 1 and dense_taps and node.padding == (0, 0):
        joined = max(
            rows
            for rows in range(1, height + 1)
            if height % rows == 0 and (rows == 1 or rows * width <= _GRADIENT_POSITIONS)
        )
        height, width = height // joined, width * joined
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


def _sliding_bytes(node: Node, windows: tuple[int, ...], stride: tuple[int, int]) -> int:
    """Return the bytes for windows that slide over one channel: a row of sums, the filter, some rows of the plane."""
    assert node.window is not None
    row_lanes = _padded(node.window[1])
    pitch = (windows[1] - 1) * stride[1] + row_lanes
    least, most = node.window[0], (windows[0] - 1) * stride[0] + node.window[0]
    rows = min(max(least, _PLANE_BYTES // pitch), most)
    return _WANTED_BYTES * windows[1] + _LANE_BYTES_AT_MOST * node.window[0] * row_lanes + rows * pitch


def _depthwise_gradient_bytes(node: Node) -> int:
    """Return the bytes for the errors and the inputs of some rows of one channel, and for the sums of its taps."""
    assert node.window is not None
    assert node.stride is not None
    row_lanes = _padded((node.output_shape[1] - 1) * node.stride[1] + 1)
    pitch = row_lanes + node.window[1] - 1
    row_bytes = _LANE_BYTES_AT_MOST * row_lanes + node.stride[0] * pitch
    rows = min(node.output_shape[0], max(1, 2 * _PLANE_BYTES // row_bytes))
    more_rows = max(node.window[0] - node.stride[0], 0)
    return _SUM_BYTES * _taps(node) + rows * row_bytes + more_rows * pitch


def _is_uint8(node: Node, kind: str) -> bool:
    return node.kind == kind and node.dtype == "uint8"


def _taps(node: Node) -> int:
    assert node.window is not None
    return node.window[0] * node.window[1]
