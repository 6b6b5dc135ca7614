"""Renode as an engine: finding and installing it, and what runs inside it."""
