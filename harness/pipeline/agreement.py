"""Twin and target must agree in every bit of their records and of the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.errors import AgreementError
from harness.plan import Plan


def _tensor_at(plan: Plan, offset: int) -> str:
    for tensor, start in plan.offsets.items():
        if tensor.place == "state" and tensor.inside is None and start <= offset < start + tensor.padded_bytes:
            return f"{tensor.name}, byte {offset - start} of {tensor.size_bytes}"
    return f"arena byte {offset}"


def check_agreement(
    plan: Plan,
    target_records: Sequence[dict[str, Any]],
    twin_records: Sequence[dict[str, Any]],
    target_state: bytes,
    twin_state: bytes,
) -> None:
    """Raise AgreementError that names the first record, or the first tensor of the state, in which they differ."""
    for number, (target, twin) in enumerate(zip(target_records, twin_records, strict=False), start=1):
        if target != twin:
            raise AgreementError(f"twin and target differ in record {number}: target {target}, twin {twin}")
    if len(target_records) != len(twin_records):
        raise AgreementError(f"the target wrote {len(target_records)} records, the twin {len(twin_records)}")
    if target_state != twin_state:
        offset = next(i for i, (a, b) in enumerate(zip(target_state, twin_state, strict=True)) if a != b)
        raise AgreementError(f"the final states of twin and target differ in {_tensor_at(plan, offset)}")
