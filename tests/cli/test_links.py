"""Files that are links to other tables' files, as deduplication tools make them: nothing is written through one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Cli, ProjectFolder

RAW = "id\n1\n2\n"
TIMES_TEN = "id\n10\n20\n"


@pytest.fixture
def copies(folder: ProjectFolder) -> ProjectFolder:
    """A source, a table that is equal to it, and one that is computed from that."""
    folder.write(
        "lakehouse.yaml",
        """
        name: copies
        module: transforms
        tables:
          raw: {kind: source, path: in/raw, columns: {id: int64}}
          clean: {path: out/clean, columns: {id: int64}}
          last: {path: out/last, columns: {id: int64}}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import pandas as pd

        def clean(raw: pd.DataFrame) -> pd.DataFrame:
            return raw * 1

        def last(clean: pd.DataFrame) -> pd.DataFrame:
            return clean
        """,
    )
    folder.write("data/in/raw.csv", RAW)
    return folder


def edit(copies: ProjectFolder) -> None:
    copies.edit("transforms.py", "* 1", "* 10")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_to_a_source_is_replaced(copies: ProjectFolder, cli: Cli, link: Callable[..., None]) -> None:
    assert cli("run").code == 0
    stored = copies.path / "data/out/clean.csv"
    stored.unlink()
    link(copies.path / "data/in/raw.csv", stored)
    edit(copies)
    assert cli("run").code == 0
    assert copies.read("data/in/raw.csv") == RAW
    assert copies.read("data/out/clean.csv") == copies.read("data/out/last.csv") == TIMES_TEN
    assert not stored.is_symlink()


def test_a_link_in_place_of_data_is_out_of_date(copies: ProjectFolder, cli: Cli) -> None:
    """What it leads to may change in the very run that took the table for up to date."""
    assert cli("run").code == 0
    last = copies.path / "data/out/last.csv"
    last.unlink()
    last.symlink_to("clean.csv")
    planned = {table["name"]: table for table in cli("plan", "-o", "json").json["tables"]}
    assert planned["last"]["action"] == "run"
    assert "a link that was put in its place" in planned["last"]["reasons"][0]["message"]
    edit(copies)
    assert cli("run").code == 0
    assert copies.read("data/out/last.csv") == TIMES_TEN
    assert not last.is_symlink()


def test_a_link_without_manifest_is_not_replaced(copies: ProjectFolder, cli: Cli) -> None:
    copies.write("data/out/other.csv", RAW)
    (copies.path / "data/out/clean.csv").symlink_to("other.csv")
    assert cli("run").code == 1
    assert (copies.path / "data/out/clean.csv").is_symlink()
    assert cli("run", "--force").code == 0
    assert copies.read("data/out/other.csv") == RAW


def test_a_source_that_links_to_a_table_is_refused(copies: ProjectFolder, cli: Cli) -> None:
    """A run would replace the only file that has the source's values."""
    assert cli("run").code == 0
    raw = copies.path / "data/in/raw.csv"
    raw.unlink()
    raw.symlink_to("../out/clean.csv")
    edit(copies)
    for command in ("validate", "plan", "run"):
        done = cli(command)
        assert done.code == 3
        assert "tables `clean` and `raw` are stored in one place" in done.err
        assert "the path of `raw`, `in/raw`, leads through a link to that of `clean`" in done.err
    assert copies.read("data/out/clean.csv") == RAW


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_links_to_a_former_file_of_a_table_are_refused(copies: ProjectFolder, cli: Cli, suffix: str) -> None:
    copies.write(f"data/out/clean{suffix}", RAW)
    (copies.path / "data/in/raw.csv").unlink()
    (copies.path / "data/in/raw.csv").symlink_to(f"../out/clean{suffix}")
    assert "leads through a link" in cli("validate").err


def test_a_folder_that_links_to_another_tables_is_refused(copies: ProjectFolder, cli: Cli) -> None:
    copies.edit("lakehouse.yaml", "out/clean", "out/raw")
    assert cli("run").code == 0
    for file in ("raw.csv", "last.csv"):
        (copies.path / "data/out" / file).rename(copies.path / "data/in" / file.replace("raw", "old"))
    (copies.path / "data/out").rmdir()
    (copies.path / "data/out").symlink_to("in")
    edit(copies)
    ran = cli("run")
    assert ran.code == 3
    assert "tables `raw` and `clean` are stored in one place" in ran.err
    assert copies.read("data/in/raw.csv") == RAW


def test_a_file_behind_a_link_is_not_written_over(copies: ProjectFolder, cli: Cli) -> None:
    """A folder may be a link within the root, but what lakehouse did not put there is no table's."""
    copies.write("data/2026/.keep", "")
    (copies.path / "data/out").symlink_to("2026")
    assert cli("run").code == 0
    edit(copies)
    assert cli("run").code == 0
    assert copies.read("data/2026/clean.csv") == TIMES_TEN
    copies.write("data/2027/clean.csv", "id\n7\n")
    (copies.path / "data/out").unlink()
    (copies.path / "data/out").symlink_to("2027")
    assert "data/out/clean.csv is behind a link, and not what a run stored" in cli("plan").out
    assert cli("run").code == 1
    assert cli("run", "--force").code == 1
    assert copies.read("data/2027/clean.csv") == "id\n7\n"


@pytest.mark.parametrize("link", [".lakehouse", ".lakehouse/manifests", ".lakehouse/manifests/out"])
def test_links_among_manifests_are_refused(copies: ProjectFolder, cli: Cli, link: str) -> None:
    assert cli("run").code == 0
    folder = copies.path / "data" / link
    folder.rename(copies.path / "data/elsewhere")
    folder.symlink_to(copies.path / "data/elsewhere")
    assert "data/.lakehouse/manifests/out/clean.json is behind a link" in cli("plan").out
    edit(copies)
    assert cli("run").code == 1
    assert copies.read("data/out/clean.csv") == RAW


def test_a_manifest_that_is_a_link_is_replaced(copies: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    folder = copies.path / "data/.lakehouse/manifests/out"
    other = (folder / "last.json").read_text()
    (folder / "clean.json").unlink()
    (folder / "clean.json").symlink_to("last.json")
    edit(copies)
    assert cli("run", "clean").code == 0
    assert (folder / "last.json").read_text() == other
    assert not (folder / "clean.json").is_symlink()


def test_roots_that_overlap_by_a_link_are_one_place(copies: ProjectFolder, cli: Cli) -> None:
    (copies.path / "lake").symlink_to("data/in")
    copies.edit("lakehouse.yaml", "module:", "storages: {lake: {root: ./lake}}\nmodule:")
    copies.edit("lakehouse.yaml", "path: out/clean", "path: raw, storage: lake")
    assert "tables `raw` and `clean` are stored on one path" in cli("validate").err


def test_sources_may_share_a_file_by_a_link(copies: ProjectFolder, cli: Cli) -> None:
    copies.edit("lakehouse.yaml", "tables:", "tables:\n  old: {kind: source, path: in/old}", 1)
    (copies.path / "data/in/old.csv").symlink_to("raw.csv")
    assert cli("run").code == 0


def in_storages(copies: ProjectFolder, type_: str, first: str, second: str) -> None:
    text = copies.read("lakehouse.yaml").replace(
        "module:",
        f"storages:\n  raw: {{root: data}}\n  one: {{type: {type_}, root: {first}}}\n"
        f"  two: {{type: {type_}, root: {second}}}\nmodule:",
    )
    text = text.replace("path: in/raw", "storage: raw, path: in/raw")
    text = text.replace("path: out/clean", "storage: one, path: clean")
    copies.write("lakehouse.yaml", text.replace("path: out/last", "storage: two, path: last"))


@pytest.mark.parametrize("type_", ["sqlite", "duckdb"])
def test_hard_links_of_a_database_are_refused(copies: ProjectFolder, cli: Cli, type_: str) -> None:
    in_storages(copies, type_, "one.db", "two.db")
    assert cli("run").code == 0
    (copies.path / "two.db").unlink()
    (copies.path / "two.db").hardlink_to(copies.path / "one.db")
    assert "tables `clean` and `last` are in one database file: `two.db` is a hard link" in cli("validate").err
    (copies.path / "two.db").rename(copies.path / "backup.db")
    before = (copies.path / "backup.db").read_bytes()
    edit(copies)
    message = "one.db has another name, a hard link, under which it would change as well"
    assert message in cli("plan").out
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert ran.json["tables"][0]["error"]["message"] == message
    assert (copies.path / "backup.db").read_bytes() == before


@pytest.mark.parametrize("where", ["clean", "clean/_delta_log"])
def test_a_delta_table_behind_a_link_is_refused(copies: ProjectFolder, cli: Cli, where: str) -> None:
    in_storages(copies, "delta", "lake", "other")
    assert cli("run").code == 0
    other = copies.path / "lake" / where.replace("clean", "elsewhere")
    other.parent.mkdir(exist_ok=True)
    (copies.path / "lake" / where).rename(other)
    (copies.path / "lake" / where).symlink_to(other)
    before = sorted(copies.path.joinpath("lake").rglob("*"))
    edit(copies)
    assert "lake/clean is behind a link" in cli("plan").out
    assert cli("run").code == 1
    assert sorted(copies.path.joinpath("lake").rglob("*")) == before


def test_a_delta_source_that_links_to_a_table_is_refused(copies: ProjectFolder, cli: Cli) -> None:
    in_storages(copies, "delta", "lake", "other")
    copies.edit("lakehouse.yaml", "tables:", "tables:\n  old: {kind: source, storage: one}", 1)
    (copies.path / "lake").mkdir()
    (copies.path / "lake/old").symlink_to("clean")
    assert "the path of `old`, `old`, leads through a link to that of `clean`" in cli("validate").err


def test_a_lock_that_is_a_hard_link_is_not_written(copies: ProjectFolder, cli: Cli) -> None:
    """Deduplication tools make one file of all empty ones."""
    copies.write("empty.txt", "not empty any more")
    (copies.path / ".lakehouse/locks").mkdir(parents=True)
    (copies.path / ".lakehouse/locks/default.lock").hardlink_to(copies.path / "empty.txt")
    assert cli("run").code == 0
    assert copies.read("empty.txt") == "not empty any more"


def test_changes_beside_a_linked_database_are_seen(
    copies: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite keeps its log beside the file that a link leads to."""
    import sqlite3

    monkeypatch.setattr("lakehouse_cli.storage.local.stat_cache.RACY_MTIME_NS", 0)
    in_storages(copies, "sqlite", "one.db", "two.db")
    (copies.path / "disk").mkdir()
    (copies.path / "one.db").symlink_to("disk/one.db")
    assert cli("run").code == 0
    connection = sqlite3.connect(copies.path / "disk/one.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    assert "up to date" in cli("plan").out
    connection.execute("UPDATE clean SET id = 5 WHERE id = 1")
    assert "one.db/clean was modified" in cli("plan").out
    connection.close()


#: A table is stored in the process of the run, or in one of its own.
EXECUTORS = pytest.mark.parametrize("executor", ["threads", "processes"])
LINKS_MEANWHILE = """
import pathlib

LINK, TARGET = pathlib.Path({link!r}), pathlib.Path({target!r})


def clean(raw):
    if LINK.exists():
        LINK.rename(LINK.with_name("moved"))
    LINK.symlink_to(TARGET)
    return raw * 10


def last(clean):
    return clean
"""


def link_meanwhile(copies: ProjectFolder, link: Path, target: Path) -> None:
    """Have a folder become a link while `clean` is computed."""
    copies.write("transforms.py", LINKS_MEANWHILE.format(link=str(link), target=str(target)))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@EXECUTORS
@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("data", "precious"),
        ("data/out", "precious"),
        ("data/out", "data/elsewhere"),
        ("data/.lakehouse", "precious"),
        ("data/.lakehouse/manifests/out", "precious"),
        ("data/.lakehouse/manifests/out", "data/elsewhere"),
    ],
)
def test_a_folder_that_becomes_a_link_is_not_followed(
    copies: ProjectFolder, cli: Cli, executor: str, link: str, target: str
) -> None:
    assert cli("run").code == 0
    code = copies.read("transforms.py")
    folder, other = copies.path / link, copies.path / target
    shutil.copytree(folder, other)
    for file in other.rglob("clean.*"):
        file.write_text("not to be written over")
    before = contents(other)
    link_meanwhile(copies, folder, other)
    ran = cli("run", "--executor", executor)
    assert ran.code == 1
    assert f"{link} became a link after `clean` was planned" in ran.err
    assert "put a folder in its place and run again" in ran.err
    assert contents(other) == before
    folder.unlink()
    folder.with_name("moved").rename(folder)
    assert copies.read("data/out/clean.csv") == RAW
    copies.write("transforms.py", code)
    edit(copies)
    assert cli("run").code == 0
    assert copies.read("data/out/clean.csv") == copies.read("data/out/last.csv") == TIMES_TEN


@EXECUTORS
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_source_is_not_written_by_way_of_a_new_link(
    copies: ProjectFolder, cli: Cli, executor: str, suffix: str, is_there: bool
) -> None:
    copies.edit("lakehouse.yaml", "path: out/clean", f"path: out/raw, format: {suffix}")
    copies.write(f"data/in/raw.{suffix}", RAW)
    if is_there:
        (copies.path / "data/out").mkdir()
    link_meanwhile(copies, copies.path / "data/out", copies.path / "data/in")
    for arguments in ((), ("--force",)):
        assert cli("run", "--executor", executor, *arguments).code in (1, 3)
        assert copies.read(f"data/in/raw.{suffix}") == RAW
        assert copies.read("data/in/raw.csv") == RAW


@EXECUTORS
def test_manifests_of_another_table_are_not_written(copies: ProjectFolder, cli: Cli, executor: str) -> None:
    copies.edit("lakehouse.yaml", "out/last", "other/clean")
    assert cli("run").code == 0
    manifests = copies.path / "data/.lakehouse/manifests"
    before = contents(manifests / "other")
    link_meanwhile(copies, manifests / "out", manifests / "other")
    assert cli("run", "clean", "--executor", executor).code == 1
    assert contents(manifests / "other") == before
    assert copies.read("data/out/clean.csv") == RAW


def test_a_linked_folder_that_leads_elsewhere_is_refused(copies: ProjectFolder, cli: Cli) -> None:
    for year in ("2026", "2027"):
        copies.write(f"data/{year}/.keep", "")
    (copies.path / "data/out").symlink_to("2026")
    assert cli("run").code == 0
    copies.write("data/2027/clean.csv", "id\n7\n")
    link_meanwhile(copies, copies.path / "data/out", Path("2027"))
    ran = cli("run")
    assert ran.code == 1
    assert "data/out was replaced after `clean` was planned" in ran.err
    assert copies.read("data/2026/clean.csv") == RAW
    assert copies.read("data/2027/clean.csv") == "id\n7\n"


def test_link_made_before_a_table_begins_is_reported(copies: ProjectFolder, cli: Cli) -> None:
    """Not that the file behind it is there already: `--force` would not replace it."""
    copies.edit("lakehouse.yaml", "out/last", "late/last")
    copies.write("precious/last.csv", "id\n7\n")
    (copies.path / "data/late").mkdir()
    link_meanwhile(copies, copies.path / "data/late", copies.path / "precious")
    ran = cli("run")
    assert ran.code == 1
    assert "data/late became a link after `last` was planned" in ran.err
    assert "late/last.csv is as it was" not in ran.err
    assert copies.read("precious/last.csv") == "id\n7\n"


def test_table_behind_a_looping_link_is_not_computed(copies: ProjectFolder, cli: Cli) -> None:
    (copies.path / "data/out").symlink_to("out")
    copies.edit("transforms.py", "    return raw", "    open('computed', 'w').close()\n    return raw")
    planned = cli("plan")
    assert "data/out/clean.csv cannot be looked at: too many levels of symbolic links" in planned.out
    assert "next: remove the link that leads to itself" in planned.out
    assert cli("run").code == 1
    assert not (copies.path / "computed").exists()


def test_a_pipe_in_place_of_a_table_is_refused(copies: ProjectFolder, cli: Cli) -> None:
    (copies.path / "data/out").mkdir()
    os.mkfifo(copies.path / "data/out/clean.csv")
    planned = cli("plan", "clean")
    assert "data/out/clean.csv is not a file" in planned.out
    assert "move it away, or give the table another `path:`" in planned.out + planned.err
    assert cli("run", "clean").code == cli("run", "clean", "--force").code == 1
    (copies.path / "data/out/clean.csv").unlink()
    assert cli("run", "clean").code == 0
