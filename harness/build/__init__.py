"""Sources of a plan, builds, and what the built ELF holds."""

from harness.build.elf import Image, Section, Segment, SourceLine, Symbol
from harness.build.firmware import Build, build_firmware, sources_hash
from harness.build.source import memory_script, plan_source, samples_source

__all__ = [
    "Build",
    "Image",
    "Section",
    "Segment",
    "SourceLine",
    "Symbol",
    "build_firmware",
    "memory_script",
    "plan_source",
    "samples_source",
    "sources_hash",
]
