from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakehouse_cli.errors import LakehouseError, UsageError
from lakehouse_cli.scaffold import scaffold, templates

NOBODY = 65534


def everything_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write anywhere; be somebody else meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_templates_are_described_in_one_line() -> None:
    known = templates()
    assert list(known) == ["minimal", "ml", "shop", "sql", "weather"]
    for name, template in known.items():
        assert template.name == name
        assert re.fullmatch(r"[A-Z].{20,110}[^.]", template.description)


@pytest.mark.parametrize("template", ["minimal", "ml", "weather", "shop", "sql"])
def test_scaffold_writes_what_it_says(tmp_path: Path, template: str) -> None:
    made = scaffold(tmp_path / "mine", template)
    assert made.folder == tmp_path / "mine"
    assert made.name == "mine"
    files = {path for path in everything_in(made.folder) if (made.folder / path).is_file()}
    assert {*made.files} == {path for path in files if not path.startswith(".lakehouse/")}
    assert {".github/workflows/ci.yml", ".gitignore", "lakehouse.yaml", "transforms.py", "README.md"} <= {*made.files}
    assert not [path for path in made.files if "dot_" in path or path.endswith("template.txt")]


def test_the_template_mark_is_replaced_everywhere(tmp_path: Path) -> None:
    made = scaffold(tmp_path / "sales", "shop")
    texts = {name: (tmp_path / "sales" / name).read_text("utf-8") for name in made.files}
    assert "\nname: sales\n" in texts["lakehouse.yaml"]
    assert texts["README.md"].startswith("# sales\n")
    assert not [name for name, text in texts.items() if "__project_name__" in text]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("weather", "weather"),
        ("my-project.v2", "my_project_v2"),
        ("two words", "two_words"),
        ("2026_sales", "_2026_sales"),
        ("Köln", "K_ln"),
        ("null", "_null"),
        ("---", "lakehouse"),
    ],
)
def test_the_name_is_made_of_the_folder(tmp_path: Path, folder: str, name: str) -> None:
    assert scaffold(tmp_path / folder, "minimal").name == name


def test_the_current_folder_gives_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert scaffold(Path(), "minimal").name == "here"
    assert (tmp_path / "here" / "lakehouse.yaml").is_file()


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.csv").write_text("a\n1\n")
    scaffold(tmp_path, "minimal")
    assert (tmp_path / "data" / "mine.csv").read_text() == "a\n1\n"


def test_nothing_is_written_if_one_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "transforms.py").write_text("mine = 1\n")
    with pytest.raises(LakehouseError) as caught:
        scaffold(tmp_path, "minimal")
    assert caught.value.message == f"`{tmp_path}` already has `transforms.py`"
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("nothing was written")
    assert everything_in(tmp_path) == {"transforms.py"}
    assert (tmp_path / "transforms.py").read_text() == "mine = 1\n"


def test_a_dangling_link_counts_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "lakehouse.yaml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(LakehouseError, match=r"already has `lakehouse\.yaml`"):
        scaffold(tmp_path, "minimal")
    assert not (tmp_path / "nowhere").exists()


def test_second_init_names_first_files_and_counts_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    count = len(scaffold(Path(), "minimal").files)
    with pytest.raises(LakehouseError) as caught:
        scaffold(Path(), "minimal")
    assert caught.value.message.startswith("this folder already has `README.md`, ")
    assert caught.value.message.endswith(f" and {count - 5} more")


def test_an_unknown_template_has_close_matches(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        scaffold(tmp_path / "new", "wether")
    assert (caught.value.message, caught.value.hint) == ("there is no template `wether`", "did you mean `weather`?")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "new").exists()


def test_an_unknown_template_like_no_other_lists_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        scaffold(tmp_path / "new", "zzz")
    assert caught.value.hint == "the templates are minimal, ml, shop, sql, weather"


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    with without_privileges(), pytest.raises(LakehouseError) as caught:
        scaffold(closed / "new", "minimal")
    closed.chmod(0o755)
    assert re.fullmatch(r"`.*closed.*` cannot be written: permission denied", caught.value.message)
    assert caught.value.exit_code == 1
    assert everything_in(closed) == set()


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(LakehouseError, match=r"`.*taken` cannot be written: file exists"):
        scaffold(tmp_path / "taken", "minimal")


def test_a_folder_that_is_a_link_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(LakehouseError, match=r"`.*loop` cannot be written"):
        scaffold(tmp_path / "loop", "minimal")


def test_what_fails_midway_leaves_no_file(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Less than the template's data file: writing it fails as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(LakehouseError) as caught:
            scaffold(tmp_path / "new", "weather")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.message == f"`{tmp_path / 'new'}` cannot be written: file too large"
    assert not [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    scaffold(tmp_path / "new", "weather")


def test_what_tools_leave_in_a_checkout_is_not_scaffolded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "package" / "project_templates" / "tiny"
    for name in (
        ".ruff_cache/x",
        "__pycache__/a.pyc",
        "data/.lakehouse/m.json",
        "dot_gitignore",
        "a.py",
        "template.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    monkeypatch.setattr("lakehouse_cli.scaffold.__file__", str(tmp_path / "package" / "scaffold.py"))
    assert scaffold(tmp_path / "new", "tiny").files == ("a.py", ".gitignore")
