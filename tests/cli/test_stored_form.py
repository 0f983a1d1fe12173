"""A stored computed table whose format, options or columns were edited since is not read as other values."""

from __future__ import annotations

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import StorageError
from tests.conftest import Cli, ProjectFolder

VALUES = {
    "duration[ms]": "pa.array([1000, None], pa.duration('ms'))",
    "date32": "pa.array([dt.date(2024, 1, 2), None])",
    "timestamp[s, tz=Europe/Berlin]": "pa.array([dt.datetime(2024, 10, 27, 12, 30, tzinfo=dt.timezone.utc)], "
    "pa.timestamp('s', 'Europe/Berlin'))",
    "timestamp[s]": "pa.array([dt.datetime(2024, 1, 2, 3)], pa.timestamp('s'))",
    "string": "pa.array(['1', 'a\\\\nb'])",
    "binary": "pa.array([b'61'])",
    "int64": "pa.array([1, 0])",
    "int32": "pa.array([1, 0], pa.int32())",
    "float32": "pa.array([0.5, 0.1], pa.float32())",
    "float64": "pa.array([1.0, 3600.0])",
    "bool": "pa.array([True, False])",
    "list<string>": "pa.array([['1']])",
    "struct<a: int64>": "pa.array([{'a': 1}])",
    "decimal128(10, 2)": "pa.array([Decimal('1.10')], pa.decimal128(10, 2))",
}
CHANGED = "`d` was stored in another way than it is declared now"


def declare(folder: ProjectFolder, kind: str, form: str, more: str = "") -> None:
    folder.write(
        "lakehouse.yaml",
        f"name: forms\nmodule: transforms\ntables:\n  d: {{columns: {{v: '{kind}'}}, {form}}}\n"
        f"  down: {{inputs: [d], format: parquet}}\n{more}",
    )


def stored(folder: ProjectFolder, cli: Cli, kind: str, form: str, more: str = "", *how: str) -> None:
    """Write a project and run its table `d` as it is declared at first."""
    folder.write(
        "transforms.py",
        "import datetime as dt\nfrom decimal import Decimal\nimport pyarrow as pa\n\n\n"
        f"def d() -> pa.Table:\n    return pa.table({{'v': {VALUES[kind]}}})\n\n\n"
        "def down(d: pa.Table) -> pa.Table:\n    return d\n",
    )
    declare(folder, kind, form, more)
    ran = cli("run", "d", *how)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("kind", "before", "after", "change"),
    [
        ("duration[ms]", "", "duration_unit: ms", "option `duration_unit` is new"),
        ("duration[ms]", "duration_unit: ms", "", "option `duration_unit` is gone"),
        ("duration[ms]", "time_format: '%H:%M:%S'", "time_format: iso8601", "option `time_format` changed"),
        ("timestamp[s]", "epoch_unit: s", "epoch_unit: ms", "option `epoch_unit` changed"),
        ("binary", "binary: text", "binary: hex", "option `binary` changed"),
        ("list<string>", "lists: duckdb", "lists: json", "option `lists` changed"),
        ("date32", "date_format: '%d/%m/%Y'", "date_format: '%m/%d/%Y'", "option `date_format` changed"),
        (
            "timestamp[s, tz=Europe/Berlin]",
            "timestamp_format: '%Y-%m-%d %H:%M:%S', ambiguous: first",
            "timestamp_format: '%Y-%m-%d %H:%M:%S', ambiguous: last",
            "option `ambiguous` changed",
        ),
        ("string", "", "escape_char: '\\'", "option `escape_char` is new"),
        ("string", "", "null_values: ['1']", "option `null_values` is new"),
        ("string", "", "delimiter: ';'", "option `delimiter` is new"),
        ("string", "", "encoding: latin-1", "option `encoding` is new"),
        ("string", "", 'quote_char: "\'"', "option `quote_char` is new"),
        ("string", "", "skip_rows: 1", "option `skip_rows` is new"),
        ("string", "", "header: false", "option `header` is new"),
        ("float64", "delimiter: ';', decimal: ','", "delimiter: ';'", "option `decimal` is gone"),
        ("bool", "", "true_values: ['false'], false_values: ['true']", "option `false_values` is new, option `true_v"),
    ],
)
def test_other_options_are_refused(
    folder: ProjectFolder, cli: Cli, kind: str, before: str, after: str, change: str
) -> None:
    stored(folder, cli, kind, f"options: {{{before}}}")
    declare(folder, kind, f"options: {{{after}}}")
    for command in ("run", "plan", "diff"):
        refused = cli(command, "down")
        assert refused.code == 2
        assert f"{CHANGED} ({change}" in refused.err
        assert "`lakehouse run +down` materializes everything it needs; or take the change back" in refused.err
    shown = cli("show", "d")
    assert shown.code == 1
    assert f"{CHANGED} ({change}" in shown.err
    assert "`lakehouse run d` stores it anew" in shown.err
    with pytest.raises(StorageError, match="was stored in another way"):
        Project.load(folder.path).read_arrow("d")
    assert cli("diff", "d").code == 1
    assert cli("run", "+down").code == 0
    assert cli("run").code == 0
    tables = Project.load(folder.path)
    assert tables.read_arrow("d").equals(tables.read_arrow("down"))


@pytest.mark.parametrize(
    ("form", "before", "after"),
    [
        ("csv", "", 'line_terminator: "\\r\\n"'),
        ("csv", "", "delimiter: ','"),
        ("csv", "null_values: ['']", ""),
        ("parquet", "compression: zstd", "compression: snappy, row_group_rows: 10"),
    ],
)
def test_options_that_do_not_change_reading(
    folder: ProjectFolder, cli: Cli, form: str, before: str, after: str
) -> None:
    stored(folder, cli, "string", f"format: {form}, options: {{{before}}}")
    declare(folder, "string", f"format: {form}, options: {{{after}}}")
    assert cli("run", "down").code == 0
    assert cli("show", "d").code == 0


def test_other_options_of_json_lines(folder: ProjectFolder, cli: Cli) -> None:
    stored(folder, cli, "duration[ms]", "format: jsonl")
    declare(folder, "duration[ms]", "format: jsonl, options: {duration_unit: ms}")
    assert f"{CHANGED} (option `duration_unit` is new)" in cli("run", "down").err


def test_options_of_the_storage_count(folder: ProjectFolder, cli: Cli) -> None:
    stored(folder, cli, "duration[ms]", "")
    declare(folder, "duration[ms]", "", "storages: {default: {root: data, options: {duration_unit: ms}}}\n")
    assert f"{CHANGED} (option `duration_unit` is new)" in cli("run", "down").err


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("string", "float64"),
        ("string", "bool"),
        ("int64", "duration[s]"),
        ("float64", "duration[ms]"),
        ("float64", "string"),
        ("float32", "float64"),
        ("int64", "float64"),
        ("timestamp[s]", "timestamp[s, tz=Europe/Berlin]"),
        ("timestamp[s]", "string"),
        ("list<string>", "list<int64>"),
        ("struct<a: int64>", "struct<a: int64, b: string>"),
        ("decimal128(10, 2)", "string"),
        ("duration[ms]", "float64"),
    ],
)
def test_other_types_are_refused(folder: ProjectFolder, cli: Cli, form: str, before: str, after: str) -> None:
    stored(folder, cli, before, f"format: {form}")
    declare(folder, after, f"format: {form}")
    for command in (("run", "down"), ("show", "d")):
        refused = cli(*command)
        assert refused.code in (1, 2)
        assert f"{CHANGED} (column `v` {before} → {after})" in refused.err


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("int64", "int32"),
        ("int32", "int64"),
        ("decimal128(10, 2)", "decimal128(12, 3)"),
        ("string", "dictionary<string>"),
        ("timestamp[s]", "timestamp[us]"),
        ("duration[ms]", "duration[us]"),
    ],
)
def test_types_that_read_the_same(folder: ProjectFolder, cli: Cli, form: str, before: str, after: str) -> None:
    stored(folder, cli, before, f"format: {form}")
    was = Project.load(folder.path).read_arrow("d").column("v").to_pylist()
    declare(folder, after, f"format: {form}")
    assert cli("run", "down").code == 0
    assert Project.load(folder.path).read_arrow("down").column("v").to_pylist() == was


PAIR = """
name: pair
module: transforms
tables:
  d: {{columns: {{{columns}}}, {more}options: {{header: {header}}}}}
  down: {{inputs: [d]}}
"""


@pytest.mark.parametrize(
    ("columns", "more", "refused"),
    [
        ("b: int64, a: int64", "", "columns in another order"),
        ("b: int64", "", "column `a` removed"),
        ("a: int64, c: int64", "", "column `c` added, column `b` removed"),
        ("b: int64, a: int64", "extra_columns: keep, ", None),
    ],
)
def test_columns_by_position(folder: ProjectFolder, cli: Cli, columns: str, more: str, refused: str | None) -> None:
    folder.write(
        "transforms.py",
        "import pandas as pd\n\n\ndef d():\n    return pd.DataFrame({'a': [1], 'b': [2]})\n\n\n"
        "def down(d):\n    return d[['b']]\n",
    )
    folder.write("lakehouse.yaml", PAIR.format(columns="a: int64, b: int64", more="", header="false"))
    assert cli("run", "d").code == 0
    folder.write("lakehouse.yaml", PAIR.format(columns=columns, more=more, header="false"))
    ran = cli("run", "down")
    if refused is None:
        assert ran.code == 0
        assert folder.read("data/down.csv") == "b\n2\n"
    else:
        assert f"{CHANGED} ({refused})" in ran.err


def test_columns_by_name(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "transforms.py",
        "import pandas as pd\n\n\ndef d():\n    return pd.DataFrame({'a': [1], 'b': [2]})\n\n\n"
        "def down(d):\n    return d[['b']]\n",
    )
    folder.write("lakehouse.yaml", PAIR.format(columns="a: int64, b: int64", more="", header="true"))
    assert cli("run", "d").code == 0
    folder.write("lakehouse.yaml", PAIR.format(columns="b: int64", more="", header="true"))
    assert cli("run", "down").code == 0
    assert folder.read("data/down.csv") == "b\n2\n"


def test_data_of_another_program_are_read_as_declared(folder: ProjectFolder, cli: Cli) -> None:
    stored(folder, cli, "duration[ms]", "")
    declare(folder, "duration[ms]", "options: {duration_unit: ms}")
    folder.write("data/d.csv", "v\n7\n")
    assert cli("run", "down").code == 0
    assert Project.load(folder.path).read_arrow("down").column("v").cast("int64").to_pylist() == [7]


def test_options_of_a_source_describe_its_file(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    project.edit("lakehouse.yaml", "kind: source\n", "kind: source\n    options: {null_values: [x]}\n")
    assert cli("run").code == 0


def test_other_environments_are_read_by_their_own_options(folder: ProjectFolder, cli: Cli) -> None:
    ours = "environments:\n  prod: {storages: {default: {root: prod, options: {duration_unit: us}}}}\n"
    other = ours.replace("unit: us", "unit: ms")
    stored(folder, cli, "duration[ms]", "", ours, "-e", "prod")
    assert cli("run", "down", "--defer", "prod").code == 0
    assert Project.load(folder.path).read_arrow("down").column("v").cast("int64").to_pylist() == [1000, None]
    declare(folder, "duration[ms]", "", other)
    deferred = cli("run", "down", "--defer", "prod", "--force")
    assert deferred.code == 2
    reported = "`d` was stored in `prod` in another way than it is declared now (option `duration_unit` changed)"
    assert reported in deferred.err
    assert "nothing of it is in `prod`" not in deferred.err
    copied = cli("copy", "d", "-e", "prod", "--to", "default")
    assert (copied.code, reported in copied.out + copied.err) == (1, True)
    assert cli("run", "d").code == 0
    compared = cli("diff", "d", "--against", "prod")
    assert (compared.code, reported in compared.out + compared.err) == (1, True)
    assert "`lakehouse run d -e prod` stores it anew" in compared.out + compared.err
    assert cli("run", "d", "-e", "prod").code == 0
    assert cli("diff", "d", "--against", "prod").code == 0
    assert cli("copy", "d", "-e", "prod", "--to", "default", "--force").code == 0
    assert Project.load(folder.path).read_arrow("d").column("v").cast("int64").to_pylist() == [1000, None]


SWAPPED = """
name: swapped
module: transforms
{storages}
tables:
  a: {{{form}path: {a}}}
  b: {{{form}path: {b}}}
  out: {{inputs: [a]}}
environments: {{copy: {{storages: {{default: {{{root}}}}}}}}}
"""
WHERE = {
    "csv": ("storages: {default: {root: data, format: csv}}", "root: copied, format: csv"),
    "parquet": ("storages: {default: {root: data, format: parquet}}", "root: copied, format: parquet"),
    "sqlite": ("storages: {default: {type: sqlite, root: d.sqlite}}", "type: sqlite, root: copied.sqlite"),
    "duckdb": ("storages: {default: {type: duckdb, root: d.duckdb}}", "type: duckdb, root: copied.duckdb"),
    "delta": ("storages: {default: {type: delta, root: d}}", "type: delta, root: copied"),
}


def declare_pair(folder: ProjectFolder, kind: str, a: str, b: str) -> None:
    storages, root = WHERE[kind]
    folder.write("lakehouse.yaml", SWAPPED.format(storages=storages, form="", root=root, a=a, b=b))


@pytest.mark.parametrize("kind", [*WHERE])
def test_swapped_paths_are_refused(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    folder.write(
        "transforms.py",
        "import pandas as pd\n\n\ndef _rows():\n    return pd.DataFrame({'v': [1]})\n\n\n"
        "def a():\n    return _rows()\n\n\ndef b():\n    return _rows() + 1\n\n\ndef out(a):\n    return a\n",
    )
    declare_pair(folder, kind, "pa", "pb")
    assert cli("run").code == 0
    declare_pair(folder, kind, "pb", "pa")
    reported = "`a` is not stored: "
    for command in (("show", "a"), ("run", "out"), ("plan", "out"), ("diff", "out"), ("diff", "a"), ("copy", "a")):
        refused = cli(*command, *(("--to", "copy") if command[0] == "copy" else ()))
        assert refused.code in (1, 2), command
        assert reported in refused.out + refused.err, command
        assert "was stored as table `b`" in refused.out + refused.err, command
    assert "`lakehouse run a` stores it anew" in cli("show", "a").err
    assert Project.load(folder.path).read_arrow("out").column("v").to_pylist() == [1]
    assert cli("run", "a").code == 0
    assert cli("show", "a").code == 0
    assert cli("run").code == 0
    values = {name: Project.load(folder.path).read_arrow(name).column("v").to_pylist() for name in ("a", "b", "out")}
    assert values == {"a": [1], "b": [2], "out": [1]}


def test_renamed_table_with_its_path_runs_again(folder: ProjectFolder, cli: Cli) -> None:
    declared = "name: r\nmodule: transforms\ntables: {{{name}: {{function: f, path: p}}}}\n"
    folder.write("transforms.py", "import pandas as pd\n\n\ndef f():\n    return pd.DataFrame({'v': [1]})\n")
    folder.write("lakehouse.yaml", declared.format(name="old"))
    assert cli("run").code == 0
    folder.write("lakehouse.yaml", declared.format(name="new"))
    assert cli("show", "new").code == 1
    compared = cli("diff", "new")
    assert "data/p.csv was stored as table `old`" in compared.out + compared.err, "though it would be made in one way"
    ran = cli("run")
    assert "never materialized: data/p.csv was stored as table `old`" in ran.out
    assert cli("show", "new").code == 0


def test_copy_leaves_another_table_alone(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "transforms.py",
        "import pandas as pd\n\n\ndef a():\n    return pd.DataFrame({'v': [1]})\n\n\n"
        "def b():\n    return pd.DataFrame({'v': [1]})\n\n\ndef out(a):\n    return a\n",
    )
    declare_pair(folder, "csv", "pa", "pb")
    assert cli("run").code == 0
    assert cli("copy", "--to", "copy").code == 0
    declare_pair(folder, "csv", "pb", "pa")
    assert cli("run").code == 0
    copied = cli("copy", "a", "--to", "copy")
    assert (copied.code, "was stored as table `b`" in copied.err) == (1, True)
    assert cli("copy", "a", "--to", "copy", "--force").code == 0
    assert cli("show", "a", "-e", "copy").code == 0


BROKEN = {
    "csv": ("a line\n", "lacks column `v`"),
    "csv of values": ("v\nx\n", "`x` in column `v` of `data/d.csv` is not int64"),
    "csv of fields": ("v\n1,2\n", "line 2 of `data/d.csv` has 2 values where 1 is expected"),
    "jsonl": ("x\n", "line 1 of `data/d.jsonl` is not JSON"),
    "parquet": ("x\n", "`data/d.parquet` is not a Parquet file"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_advice_on_what_was_modified_works(folder: ProjectFolder, cli: Cli, broken: str) -> None:
    written, reported = BROKEN[broken]
    kind = broken.split(" ")[0]
    stored(folder, cli, "int64", f"format: {kind}")
    assert cli("run").code == 0
    folder.write(f"data/d.{kind}", written)
    modified = "`d` was modified outside lakehouse: "
    for argv in (["show", "d"], ["run", "down"], ["diff", "d"]):
        done = cli(*argv)
        assert done.code == 1, argv
        assert modified in done.err
        assert reported in done.err
        assert done.err.count("lakehouse run +d") == 1
        assert "`lakehouse run +d` stores it anew" in done.err
        assert "header" not in done.err
    assert "d  what is stored is not readable: " + modified in done.err
    assert cli("run", "+d").code == 0
    assert cli("run").code == 0


def test_another_suffix_leaves_no_file(folder: ProjectFolder, cli: Cli) -> None:
    tables = (
        "t: {format: csv, options: {suffix: .tsv, compression: gzip}}\nr: {format: file, options: {suffix: .tif}}\n"
    )
    code = "import pandas as pd\nfrom lakehouse_cli import Target\n"
    code += "def t(): return pd.DataFrame({'x': [1]})\ndef r(out: Target): out.write_text('r')\n"
    folder.declare(tables, code)
    assert cli("run").code == 0
    # Copies of the user's own have the very same bytes.
    for name in ("r.old", "r.old.tif", "rr.tif"):
        folder.write(f"data/{name}", "r")
    folder.declare(tables.replace(".tif", ".dat").replace(".tsv", ".txt"))
    reasons = {each["name"]: each["reasons"][0]["message"] for each in cli("plan", "-o", "json").json["tables"]}
    assert reasons == {"t": "data/t.txt.gz is not there yet", "r": "data/r.dat is not there yet"}
    assert cli("run").code == 0
    assert folder.files() == ["r.dat", "r.old", "r.old.tif", "rr.tif", "t.txt.gz"]
    (folder.path / "data/r.dat").unlink()
    assert "data/r.dat is gone" in cli("plan").out
    assert cli("run").code == 0
    folder.declare("t2: {function: t}")
    assert cli("clean", "--yes").code == 0
    assert folder.files() == ["r.old", "r.old.tif", "rr.tif"]
