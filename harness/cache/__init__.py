"""Results of steps, kept by the content they depend on and shared by all processes of a user."""

from harness.cache.code import code_hash
from harness.cache.entry import Entry, Output
from harness.cache.store import Cache, Inputs, NotCachedError, StoppedError, user_cache

__all__ = ["Cache", "Entry", "Inputs", "NotCachedError", "Output", "StoppedError", "code_hash", "user_cache"]
