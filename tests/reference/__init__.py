"""Quantized training in NumPy, written from the method and not from the C sources.

Sums are exact (int64); what the method computes in float32 is computed in float32, each operation rounded once, in the
order that the method fixes: sums run from the first element to the last.
"""
