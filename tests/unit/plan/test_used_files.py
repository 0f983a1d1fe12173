"""Which files a path or a pattern of `uses` names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lakehouse_cli.plan import used_files
from lakehouse_cli.plan.used_files import MatchError, matches

FILES = (
    "a.json",
    "lookups/a.json",
    "lookups/b.csv",
    "lookups/.hidden.json",
    "lookups/old/c.json",
    "lookups/old/x[1].json",
    "lookups/__pycache__/d.json",
    ".git/e.json",
    "lookups/ünï cödé.json",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "project"
    for name in FILES:
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).touch()
    return inside


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("lookups/a.json", ["lookups/a.json"]),
        ("./lookups//a.json", ["lookups/a.json"]),
        ("lookups/*.json", ["lookups/a.json", "lookups/ünï cödé.json"]),
        ("lookups/?.*", ["lookups/a.json", "lookups/b.csv"]),
        ("lookups/[!b].json", ["lookups/a.json"]),
        ("lookups/.*.json", ["lookups/.hidden.json"]),
        ("lookups/old/x[1].json", ["lookups/old/x[1].json"]),
        ("*/old/c.json", ["lookups/old/c.json"]),
        ("**/c.json", ["lookups/old/c.json"]),
        ("**/a.json", ["a.json", "lookups/a.json"]),
        ("lookups/old", ["lookups/old/c.json", "lookups/old/x[1].json"]),
        ("lookups/old/", ["lookups/old/c.json", "lookups/old/x[1].json"]),
        ("lookups/o*", ["lookups/old/c.json", "lookups/old/x[1].json"]),
        ("lookups/old/**", ["lookups/old/c.json", "lookups/old/x[1].json"]),
        ("lookups/**/**/c.json", ["lookups/old/c.json"]),
        (".git/*", [".git/e.json"]),
        ("LOOKUPS/*.json", []),
        ("nothing", []),
        ("a.json/b", []),
        ("lookups/{a,b}.json", []),
    ],
)
def test_files_of_a_pattern(folder: Path, pattern: str, expected: list[str]) -> None:
    assert matches(folder, pattern) == sorted(expected)


def test_folder_stands_for_all_files_below(folder: Path) -> None:
    visible = [name for name in FILES if not any(part.startswith((".", "__")) for part in name.split("/"))]
    assert matches(folder, "**") == sorted(visible)
    assert matches(folder, "lookups") == sorted(name for name in visible if name.startswith("lookups"))


def test_links_that_form_a_cycle_end(folder: Path) -> None:
    for name in ("one", "two", "three"):
        (folder / name).mkdir()
        for other in ("one", "two", "three", "."):
            (folder / name / f"to_{other.strip('.')}").symlink_to(folder / other)
    (folder / "three/z.json").touch()
    assert [Path(name).name for name in matches(folder, "**/z.json")] == ["z.json"]
    assert len(matches(folder, "one")) == len(matches(folder, "**"))


def test_unrelated_link_out_of_the_folder_is_no_trouble(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.txt").touch()
    (folder / "data").symlink_to(tmp_path / "elsewhere")
    assert matches(folder, "**/c.json") == ["lookups/old/c.json"]
    for pattern in ("**/b.txt", "data/b.txt", "data", "data/*"):
        with pytest.raises(MatchError, match="is reached by a link that leaves the project's folder"):
            matches(folder, pattern)


def test_link_to_nowhere(folder: Path, tmp_path: Path) -> None:
    (folder / "lookups/gone.json").symlink_to("nowhere.json")
    assert "lookups/gone.json" not in matches(folder, "lookups/*.json")
    (folder / "lookups/away.json").symlink_to(tmp_path / "nowhere.json")
    with pytest.raises(MatchError, match="leaves the project's folder"):
        matches(folder, "lookups/*.json")


@pytest.mark.parametrize("pattern", ["pipe", "*", "**", "**/pipe"])
def test_what_is_no_regular_file_is_refused(folder: Path, pattern: str) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(MatchError, match="`pipe` is not a regular file"):
        matches(folder, pattern)


def test_name_that_is_no_text_is_refused(folder: Path) -> None:
    try:
        (folder / os.fsdecode(b"lookups/\xff.json")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    with pytest.raises(MatchError, match="is not UTF-8"):
        matches(folder, "lookups/*.json")


def test_walk_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_files, "_MOST_ENTRIES", 5)
    with pytest.raises(MatchError, match="more than 5 files and folders"):
        matches(folder, "**/x")


@pytest.mark.parametrize("pattern", ["{name}", "{name}/*", "lookups/{name}/*.json"])
def test_path_that_cannot_be_looked_at_is_named(folder: Path, pattern: str) -> None:
    """The system refuses a name that is too long."""
    pattern = pattern.format(name="n" * 300)
    named = pattern.partition("/*")[0]
    with pytest.raises(MatchError, match=f"^`{named}` cannot be looked at: ") as refused:
        matches(folder, pattern)
    assert refused.value.hint == "make it readable, or leave it out"


def test_folder_reached_by_a_link_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(folder)
    assert matches(tmp_path / "linked", "lookups/a.json") == ["lookups/a.json"]
