"""Stored partitions, and parents, whose format, options or columns were edited since are not read as other values."""

from __future__ import annotations

import textwrap

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import StorageError
from tests.conftest import Cli, ProjectFolder

TABLES = """
raw: {{kind: source, path: "raw/{{day}}", columns: {{id: string, n: string}}}}
daily: {{partitions: [day], {more}format: {form}, columns: {columns}, inputs: [raw]}}
by_day: {{partitions: [day], format: parquet, columns: {columns}, inputs: [daily]}}
total: {{format: parquet, inputs: [daily]}}
"""
CODE = """
def daily(raw):
    return raw

def by_day(daily):
    return daily

def total(daily):
    return daily
"""
CHANGED = "`daily/day=2024-01-01` was stored in another way than it is declared now ({})"
DAYS = ("2024-01-01", "2024-01-02")


def declare(folder: ProjectFolder, kind: str = "string", form: str = "csv", options: str = "", more: str = "") -> None:
    columns = f"{{id: string, n: {{type: {kind}, nullable: true}}}}"
    tables = TABLES.format(columns=columns, more=more, form=f"{form}, options: {{{options}}}")
    folder.declare(tables, CODE, top="dimensions: {day: {every: day}}\n")


@pytest.fixture
def stored(folder: ProjectFolder, cli: Cli) -> ProjectFolder:
    """Two days, stored as they are declared at first."""
    declare(folder)
    for number, day in enumerate(DAYS, 1):
        folder.write(f"data/raw/{day}.csv", f"id,n\na,{number}\n")
    assert cli("run").code == 0
    return folder


@pytest.mark.parametrize(
    ("now", "change"),
    [
        ({"options": "null_values: ['1']"}, "option `null_values` is new"),
        ({"options": "delimiter: ';'"}, "option `delimiter` is new"),
        ({"kind": "float64"}, "column `n` string → float64"),
    ],
)
def test_partitions_of_another_form_are_not_read(
    stored: ProjectFolder, cli: Cli, now: dict[str, str], change: str
) -> None:
    declare(stored, **now)
    message = CHANGED.format(change)
    for command in (
        ("show", "daily"),
        ("show", "daily", "--partition", "day=2024-01-01"),
        ("sql", "select * from daily"),
        ("check", "daily"),
        ("diff", "daily"),
        ("run", "by_day", "--force"),
    ):
        refused = cli(*command)
        told = " ".join((refused.out + refused.err).split())
        assert (refused.code, message in told) == (1, True), command
        assert "`lakehouse run daily` stores it anew; or take the change back" in told, command
    for command in (("run", "total"), ("plan", "total"), ("diff", "total")):
        refused = cli(*command)
        assert (refused.code, message in refused.err) == (2, True), command
        assert "`lakehouse run +total` materializes everything it needs" in refused.err
    with pytest.raises(StorageError, match="was stored in another way"):
        Project.load(stored.path).read_arrow("daily")
    assert Project.load(stored.path).read_arrow("total").column("n").to_pylist() == ["1", "2"]  # as before
    assert cli("run").code == 0  # as all hints say
    assert "3 unchanged" in cli("run").out
    tables = Project.load(stored.path)
    assert tables.read_arrow("daily").equals(tables.read_arrow("total"))
    assert tables.read_arrow("by_day").to_pylist() == tables.read_arrow("total").to_pylist()


def test_format_that_is_read_the_same(stored: ProjectFolder, cli: Cli) -> None:
    declare(stored, options='line_terminator: "\\r\\n"')
    assert cli("run", "total", "--force").code == 0
    assert cli("show", "daily").code == 0


def test_partition_that_is_stored_anew_is_read_beside_those_of_another_form(stored: ProjectFolder, cli: Cli) -> None:
    declare(stored, options="null_values: ['1']")
    assert cli("run", "daily", "--partition", f"day={DAYS[1]}").code == 0
    assert cli("show", "daily", "--partition", f"day={DAYS[1]}").code == 0
    assert cli("run", "by_day", "--partition", f"day={DAYS[1]}", "--force").code == 0
    message = CHANGED.format("option `null_values` is new")
    assert message in cli("show", "daily").err


def test_kept_partition_of_another_form_keeps_the_whole_from_being_read(stored: ProjectFolder, cli: Cli) -> None:
    """Its source has gone: it cannot be stored anew."""
    declare(stored, options="null_values: ['1']", more="gone: keep, ")
    (stored.path / f"data/raw/{DAYS[0]}.csv").unlink()
    before = Project.load(stored.path).read_arrow("total")
    for _ in range(2):
        ran = cli("run")
        assert CHANGED.format("option `null_values` is new") in ran.out
        assert Project.load(stored.path).read_arrow("total").equals(before)
    assert cli("show", "daily").code == 1
    declare(stored, more="gone: keep, ")
    assert cli("run").code == 0
    assert Project.load(stored.path).read_arrow("daily").equals(before)


def test_changed_files_of_partitions_are_read_as_declared(stored: ProjectFolder, cli: Cli) -> None:
    declare(stored, options="null_values: ['9']")
    for day in DAYS:
        stored.write(f"data/daily/day={day}/data.csv", "id,n\nb,9\n")
    assert [each["n"] for each in Project.load(stored.path).read_arrow("daily").to_pylist()] == [None, None]
    assert cli("show", "daily").code == 0


PARENTS = """
raw: {{kind: source, path: "raw/{{day}}", columns: {{id: string}}}}
rows: {{kind: source, columns: {{id: string}}}}
parent: {{{partitions}columns: {{id: {{type: string, nullable: true}}}}, options: {{{options}}}, inputs: [{of}]}}
child:
  columns: {{id: {{type: string, nullable: true}}}}
  inputs: [rows]
  checks: [{{foreign_key: {{columns: id, references: parent.id}}}}]
"""


@pytest.mark.parametrize("partitions", ["", "partitions: [day], "])
def test_references_to_a_parent_of_another_form(folder: ProjectFolder, cli: Cli, partitions: str) -> None:
    """A value that only the parent as it is declared now would have passes nowhere."""
    of = "raw" if partitions else "rows"
    code = f"def parent({of}):\n    return {of}\n\n\ndef child(rows):\n    return rows\n"

    def declared(options: str) -> None:
        tables = PARENTS.format(partitions=partitions, of=of, options=options)
        folder.declare(tables, code, top="dimensions: {day: {every: day}}\n" if partitions else "")

    declared("")
    folder.write("data/rows.csv", "id\n1\n")
    folder.write("data/raw/2024-01-01.csv", "id\n1\n")
    assert cli("run").code == 0
    assert cli("check", "child").code == 0
    for options in ("null_values: ['1']", "escape_char: '\\'"):
        declared(options)
        for command in (("check", "child"), ("run", "child", "--force")):
            ran = cli(*command)
            told = " ".join((ran.out + ran.err).split())
            assert "check `foreign_key` was not judged: `parent` cannot be read: `parent" in told
            assert "was stored in another way than it is declared now (option `" in told
            assert ran.code == 0
    # Judged again once the parent is stored anew.
    assert cli("run").code == 0
    assert "not judged" not in cli("check").out


def test_child_waits_for_the_partitions_of_its_parent(folder: ProjectFolder, cli: Cli) -> None:
    tables = PARENTS.format(partitions="partitions: [day], ", of="raw", options="")
    code = (
        "def parent(raw):\n    __import__('time').sleep(0.3)\n    return raw\n\n\ndef child(rows):\n    return rows\n"
    )
    folder.declare(tables, code, top="dimensions: {day: {every: day}}\n")
    folder.write("data/rows.csv", "id\n7\n")
    folder.write("data/raw/2024-01-01.csv", "id\n1\n")
    ran = cli("run")
    assert ran.code == 1
    assert "check `foreign_key`: 1 value of `id` is not in `parent.id`" in ran.err
    assert not (folder.path / "data/child.csv").exists()


@pytest.mark.parametrize("partitions", ["", "partitions: [day], "])
def test_numbers_and_texts_in_sqlite_are_not_read_as_other_values(
    folder: ProjectFolder, cli: Cli, partitions: str
) -> None:
    columns = {"n": "int64", "f": "float64", "t": "string", "d": "date32", "c": "decimal128(3, 2)"}
    code = """
    import datetime as dt
    from decimal import Decimal
    import pyarrow as pa

    def numbers(raw: pa.Table) -> pa.Table:
        return pa.table({"n": [1], "f": [1.5], "t": ["t"], "d": [dt.date(2024, 1, 1)], "c": [Decimal("1.50")]})
    """
    folder.write("data/raw/2024-01-01.csv", "id\n1\n")
    top = "storages: {lite: {type: sqlite, root: lite.db, options: {epoch_unit: s}}, default: {root: data}}\n"

    def declare(**changed: str) -> None:
        declared = ", ".join(f'{name}: "{kind}"' for name, kind in (columns | changed).items())
        tables = f"""
        raw: {{kind: source, path: "raw/{{day}}", columns: {{id: string}}}}
        numbers: {{storage: lite, {partitions}columns: {{{declared}}}, inputs: [raw]}}
        """
        folder.declare(tables, textwrap.dedent(code), top=top + "dimensions: {day: {every: day}}\n")

    declare()
    assert cli("run").code == 0
    changes = [("n", "bool"), ("t", "bool"), ("n", "timestamp[s]"), ("f", "timestamp[us]"), ("d", "string")]
    for name, kind in [*changes, ("c", "string"), ("c", "dictionary<string>")]:
        declare(**{name: kind})
        for command in (("show", "numbers"), ("sql", "select * from numbers"), ("check", "numbers")):
            refused = cli(*command)
            told = " ".join((refused.out + refused.err).split())
            assert (refused.code, f"column `{name}` {columns[name]} → {kind}" in told) == (1, True), (name, kind, told)
        with pytest.raises(StorageError, match="was stored in another way"):
            Project.load(folder.path).read_arrow("numbers")
    declare(n="float64", d="timestamp[s]", c="float64", t="dictionary<string>")  # the same values
    assert cli("show", "numbers").code == 0
