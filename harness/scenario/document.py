"""Reading a YAML file into plain values whose places in the file are known, within bounds."""

from __future__ import annotations

import difflib
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from harness.errors import InputError
from harness.scenario.source import Path as KeyPath
from harness.scenario.source import Place, format_path

MAX_FILE_BYTES = 128 * 1024
MAX_NODES = 10_000
MAX_DEPTH = 24
_MAX_PROBLEMS_SHOWN = 50

_NULL, _BOOL, _INT, _FLOAT, _STR = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))
_SEQUENCE, _MAPPING = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"


class _Resolver(BaseResolver):
    """Scalars as in the YAML 1.2 core schema: `yes` and `on` are text, `1e-3` is a number."""


_Resolver.add_implicit_resolver(_NULL, re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Resolver.add_implicit_resolver(_BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Resolver.add_implicit_resolver(_INT, re.compile(r"(?:[-+]?[0-9]{1,18}|0x[0-9a-fA-F]{1,15})$"), list("-+0123456789"))
_Resolver.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


class _LimitError(Exception):
    """A bound of the reader is exceeded at `place`."""

    def __init__(self, place: Place, path: KeyPath, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.path = path


class _Loader(Reader, Scanner, Parser, Composer, _Resolver):
    """PyYAML's reader up to the node tree, with bounded depth and number of nodes; constructs no objects."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _Resolver.__init__(self)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node. Raises _LimitError when the file nests too deeply or has too many nodes."""
        self._nodes += 1
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                raise _LimitError(self._place(), (), f"nested too deeply; expected at most {MAX_DEPTH} levels")
            if self._nodes > MAX_NODES:
                raise _LimitError(self._place(), (), f"too many values; expected at most {MAX_NODES}")
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def _place(self) -> Place:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        return _place(mark)


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, at a place of the file and a key path."""

    line: int
    column: int
    path: str
    message: str


@dataclass
class Document:
    """The values of one file, the places of all values and keys, and the problems found so far."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(self, place: Place, path: str, message: str) -> None:
        """Remember a problem."""
        self.problems.append(Problem(place.line, place.column, path, message))

    def report_at(self, path: KeyPath, message: str) -> None:
        """Remember a problem of the value at `path`, which is written in the file."""
        self.report(self.values[path], format_path(path), message)

    def check(self) -> None:
        """Raise InputError with one line a problem, in the order of the file, if there are problems.

        Of several problems of one value only the first counts: the others follow from it.
        """
        first: dict[tuple[int, int, str], Problem] = {}
        for problem in self.problems:
            first.setdefault((problem.line, problem.column, problem.path), problem)
        if not first:
            return
        found = sorted(first.values())
        lines = [one_line(f"{self.file}:{p.line}:{p.column}: {p.path}: {p.message}") for p in found]
        more = len(lines) - _MAX_PROBLEMS_SHOWN
        if more > 0:
            lines[_MAX_PROBLEMS_SHOWN:] = [f"{self.file}: and {more} more"]
        raise InputError(*lines)


def one_line(text: str) -> str:
    """Return `text` with characters that would break or garble a line of output escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def read_document(path: Path) -> Document:
    """Return the mapping in the YAML file `path`; problems of single keys are kept in it.

    Raises InputError when the file cannot be read, is no YAML mapping, or exceeds the bounds of size, depth or number
    of values (aliases count each time they are used).
    """
    document = Document(file=str(path))
    text = _read_text(path)
    try:
        root = _Loader(text).get_single_node()
        if root is None:
            document.report(
                Place(1, 1), format_path(()), "empty file; expected a scenario with the keys name, model, ..."
            )
        elif not isinstance(root, yaml.MappingNode):
            document.report(_place(root.start_mark), format_path(()), "no mapping; expected 'key: value' lines")
        else:
            document.data = _Converter(document).convert(root, ())
    except yaml.reader.ReaderError as error:
        place = _place_of_index(text, error.position)
        document.report(place, format_path(()), f"character #x{error.character:04x} is not allowed; expected YAML text")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        document.report(_place(mark) if mark else Place(1, 1), format_path(()), f"YAML syntax error: {what}")
    except _LimitError as error:
        document.report(error.place, format_path(error.path), str(error))
        document.check()
    if not document.data:
        document.check()
    return document


def _read_text(path: Path) -> str:
    """Return the text of a regular UTF-8 file of bounded size; raise InputError otherwise."""
    name = one_line(str(path))
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{name}: is a folder; expected a YAML file")
        if not stat.S_ISREG(mode):
            raise InputError(f"{name}: is no regular file; expected a YAML file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; expected a YAML file{_similar_file(path)}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{name}: cannot be read: {reason}") from None
    if len(content) > MAX_FILE_BYTES:
        raise InputError(f"{name}: larger than {MAX_FILE_BYTES // 1024} KiB; expected a scenario, which is smaller")
    if b"\0" in content:
        raise InputError(f"{name}: binary data; expected YAML text in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place_of_index(content[: error.start].decode("utf-8", "replace"), error.start)
        raise InputError(
            f"{name}:{place.line}:{place.column}: binary data or another encoding; expected YAML text in UTF-8"
        ) from None


def _similar_file(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix in {".yaml", ".yml"}]
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f"; did you mean '{one_line(str(path.with_name(close[0])))}'?" if close else ""


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _place_of_index(text: str, index: int) -> Place:
    before = text[:index]
    return Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _Converter:
    """Turns nodes into plain values, noting their places and the problems of single keys."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._nodes = 0

    def convert(self, node: yaml.Node, path: KeyPath) -> Any:
        """Return the value of `node`. Raises _LimitError when aliases blow up the number or depth of values."""
        place = _place(node.start_mark)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._limit(path, f"too many values through aliases; expected at most {MAX_NODES}")
        if len(path) > MAX_DEPTH:
            raise self._limit(path, f"nested too deeply through aliases; expected at most {MAX_DEPTH} levels")
        self._document.values[path] = place
        if isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQUENCE:
            return [self.convert(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place, path)
        return self._refuse_tag(node, place, path)

    def _limit(self, path: KeyPath, message: str) -> _LimitError:
        """Blame the outermost key: the values of an alias stand elsewhere."""
        return _LimitError(self._document.keys[path[:1]], path[:1], message)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STR:
                self._document.report(place, format_path(path), "a key is no text; expected a name")
                continue
            key = key_node.value
            if key in result:
                first = self._document.keys[*path, key]
                self._document.report(
                    place,
                    format_path((*path, key)),
                    f"duplicate key; expected it once, first given in line {first.line}",
                )
                continue
            self._document.keys[*path, key] = place
            result[key] = self.convert(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.ScalarNode, place: Place, path: KeyPath) -> Any:
        text: str = node.value
        match node.tag:
            case t if t == _STR:
                return text
            case t if t == _NULL:
                return None
            case t if t == _BOOL and text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case t if t in {_INT, _FLOAT}:
                return self._number(node, place, path)
        return self._refuse_tag(node, place, path)

    def _number(self, node: yaml.ScalarNode, place: Place, path: KeyPath) -> int | float | None:
        text: str = node.value.lower().replace(".inf", "inf").replace(".nan", "nan")
        try:
            if node.tag == _INT:
                return int(text, 16) if text.startswith("0x") else int(text)
            return float(text)
        except ValueError:
            self._document.report(place, format_path(path), f"'{node.value[:40]}' is no number; expected a number")
            return None

    def _refuse_tag(self, node: yaml.Node, place: Place, path: KeyPath) -> None:
        self._document.report(place, format_path(path), f"tag '{node.tag[:60]}' is not allowed; expected a plain value")
