"""Arm semihosting, as far as programs need it that print and exit (Arm, Semihosting for AArch32 and AArch64)."""

from __future__ import annotations

from unicorn import Uc
from unicorn.arm_const import UC_ARM_REG_R0

_BREAKPOINT = b"\xab\xbe"
_OPEN, _WRITE, _ISTTY, _EXIT, _EXIT_EXTENDED = 0x01, 0x05, 0x09, 0x18, 0x20
_RESULTS = {_OPEN: 1, _WRITE: 0, _ISTTY: 1}
"""What the requests that succeed return: a handle, no byte left unwritten, a terminal."""

_REFUSED = 0xFFFFFFFF


class Semihosting:
    """The host's side: it takes output and forgets it, and refuses everything else."""

    def __init__(self, uc: Uc) -> None:
        """Serve the core `uc`."""
        self._uc = uc

    def serve(self, pc: int) -> bool:
        """Serve the breakpoint at `pc`; False when it is no request of semihosting, or the one to exit."""
        operation = self._uc.reg_read(UC_ARM_REG_R0)
        if bytes(self._uc.mem_read(pc, 2)) != _BREAKPOINT or operation in (_EXIT, _EXIT_EXTENDED):
            return False
        self._uc.reg_write(UC_ARM_REG_R0, _RESULTS.get(operation, _REFUSED))
        return True
