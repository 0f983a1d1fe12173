"""Hints lead on: what each says is done, and the next command gets further."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import sqlite3
from contextlib import closing
from datetime import datetime

import deltalake
import duckdb
import pyarrow as pa
import pytest
from openpyxl import Workbook
from pyarrow import parquet

from tests.conftest import Cli, ProjectFolder


def declare(folder: ProjectFolder, tables: str, *, top: str = "") -> None:
    """Write a project of these tables, each in a line of flow style."""
    lines = [f"  {line.strip()}" for line in tables.strip().splitlines()]
    folder.write("lakehouse.yaml", f"name: hints\nmodule: transforms\n{top}tables:\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("header", "declared", "written", "named"),
    [
        ("a\xa0", "a", "a\\xa0", "U+00A0 no-break space"),
        ("a\u200b", "a", "a\\u200b", "U+200B zero width space"),
        ("\ufeff\ufeffa", "a", "\\ufeffa", "U+FEFF byte order mark"),
        ("u\u0308ber", "über", "u\\u0308ber", "U+0308 combining diaeresis"),
        ("\u0430", "a", "\\u0430", "U+0430 cyrillic small letter a"),
    ],
)
def test_invisible_characters_of_a_header_are_shown(
    folder: ProjectFolder, cli: Cli, header: str, declared: str, written: str, named: str
) -> None:
    folder.write("data/s.csv", f"{header},b\n1,2\n")
    declare(folder, f's: {{kind: source, columns: {{"{declared}": int64}}}}')
    refused = cli("show", "s")
    assert refused.code == 1
    assert f'the file calls it "{written}" ({named})' in refused.err

    declare(folder, f's: {{kind: source, columns: {{"{written}": int64}}}}')
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_invisible_characters_of_a_declared_name_are_shown(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "über\n1\n")
    declare(folder, 's: {kind: source, columns: {"u\\u0308ber": int64}}')
    refused = cli("show", "s")
    assert "lacks column `u\\u0308ber`" in refused.err
    assert "did you mean `über`?" in refused.err


def test_letters_of_a_declared_name_that_look_alike_are_named(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "a,b\n1,2\n")
    declare(folder, 's: {kind: source, columns: {"\u0430": int64}}')
    assert "the declared name has U+0430 cyrillic small letter a: write `a`, as the file does" in cli("show", "s").err


def test_path_with_a_pattern_and_an_ending_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, 's: {kind: source, path: "fold/*.csv"}')
    assert "declare a source for each file, its `path:` without the ending" in cli("validate").err


def test_gzip_data_named_csv_is_read(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    (folder.path / "data/s.csv").write_bytes(gzip.compress(b"a\n1\n"))
    declare(folder, "s: {kind: source, columns: {a: int64}}")
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


@pytest.mark.parametrize("inputs", ['"sales_*"', '["sales_*"]', '{sales: "sales_*"}'])
def test_pattern_in_inputs(folder: ProjectFolder, cli: Cli, inputs: str) -> None:
    tables = "s: {{kind: source, columns: {{a: int64}}}}\n t: {{inputs: {}}}"
    folder.write("transforms.py", "def t(sales): return sales\n")
    declare(folder, tables.format(inputs))
    refused = cli("validate")
    assert refused.code == 3
    assert "list each table by name, as in `inputs: [a, b]`" in refused.err
    declare(folder, tables.format("[s]"))
    assert cli("validate").code == 0


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("raw/sales_*", "a pattern is no path: declare a source for each file"),
        ("raw/events", "data/raw/events is a folder: name one file in it, as `path: raw/events/name`"),
        ("raw/events/", "name one file in it, without its ending, as `raw/events/name`"),
    ],
)
def test_pattern_or_folder_in_path(folder: ProjectFolder, cli: Cli, path: str, hint: str) -> None:
    folder.write("data/raw/events/name.csv", "a\n1\n")
    declare(folder, f's: {{kind: source, path: "{path}", columns: {{a: int64}}}}')
    assert hint in cli("show", "s").err
    declare(folder, "s: {kind: source, path: raw/events/name, columns: {a: int64}}")
    assert cli("show", "s").code == 0


def test_env_that_is_a_folder_sets_no_variable(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / ".env").mkdir()
    declare(folder, "s: {kind: source}", top='storages: {default: {root: "${ROOT}"}}\n')
    assert "set it in the process (`.env` is a folder here" in cli("validate").err
    declare(folder, "s: {kind: source}", top='storages: {default: {root: "${ROOT:-data}"}}\n')
    assert cli("validate").code == 0


@pytest.mark.parametrize("leads_to", ["../../elsewhere", "../elsewhere"])
def test_link_in_place_of_manifests(folder: ProjectFolder, cli: Cli, leads_to: str) -> None:
    folder.write("transforms.py", 'def t(): return __import__("pandas").DataFrame({"a": [1]})\n')
    declare(folder, "t: {columns: {a: int64}}")
    (folder.path / "data/.lakehouse").mkdir(parents=True)
    (folder.path / "data/elsewhere").mkdir()
    (folder.path / "elsewhere").mkdir()
    link = folder.path / "data/.lakehouse/manifests"
    link.symlink_to(leads_to)
    refused = cli("run")
    assert refused.code == 1
    assert "replace the link by a folder: nothing in data/.lakehouse/manifests may be one" in refused.err
    link.unlink()
    link.mkdir()
    assert cli("run").code == 0


@pytest.mark.parametrize(
    ("text", "rows", "hints"),
    [
        ('id,name\n1, "x, y"\n', [{"id": 1, "name": "x, y"}], ["trim: true"]),
        ("'id','name'\n'1','x'\n", [{"id": 1, "name": "x"}], ['quote_char: "\'"']),
        ("id | name\n1 | x\n", [{"id": 1, "name": "x"}], ["delimiter: '|', trim: true"]),
        (
            "| id | name |\n|----|------|\n| 1  | x    |\n",
            [{"id": 1, "name": "x"}],
            ["delimiter: '|', trim: true, skip_rows_after_header: 1"],
        ),
        (
            " id | name \n----+------\n  1 | x\n(1 row)\n\n",
            [{"id": 1, "name": "x"}],
            ["delimiter: '|', trim: true, skip_rows_after_header: 1", "skip_footer: 2"],
        ),
    ],
)
def test_options_that_split_rows_are_named(
    folder: ProjectFolder, cli: Cli, text: str, rows: list[dict[str, object]], hints: list[str]
) -> None:
    folder.write("data/s.csv", text)
    source = "s: {{kind: source, options: {{{}}}, columns: {{id: int64, name: string}}}}"
    options: list[str] = []
    for each in hints:
        declare(folder, source.format(", ".join(options)))
        refused = cli("show", "s").err
        for option in each.split(", "):
            assert f"`{option}`" in refused
        options.append(each)
    declare(folder, source.format(", ".join(options)))
    assert cli("show", "s", "-o", "json").json["rows"] == rows


@pytest.mark.parametrize(("name", "text"), [("thousands", "1,234.5"), ("percent", "50%"), ("currency", "$5")])
def test_option_of_a_column_is_named_there(folder: ProjectFolder, cli: Cli, name: str, text: str) -> None:
    folder.write("data/s.csv", f'v\n"{text}"\n')
    source = "s: {{kind: source, columns: {{v: {{type: float64, {}: {}}}}}}}"
    declare(folder, source.format(name, "none"))
    refused = cli("show", "s").err
    assert " in the column" in refused
    declare(folder, source.format(name, {"thousands": '","', "percent": "number", "currency": "$"}[name]))
    assert cli("show", "s").code == 0


def test_short_row_with_all_declared_values_is_no_footer(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "1,a,x\n2,b\n")
    source = (
        "s: {{kind: source, options: {{header: false, extra_values: ignore{}}}, columns: {{id: int64, v: string}}}}"
    )
    declare(folder, source.format(""))
    refused = cli("show", "s").err
    assert "set `missing_values: null` in its options too" in refused
    assert "skip_footer" not in refused
    declare(folder, source.format(", missing_values: null"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]


def test_decimal_comma_without_quotes(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "id,v\n0,1,5\n")
    declare(folder, "s: {kind: source, columns: {id: int64, v: float64}}")
    assert "if a comma is a decimal point, put quotes around such values" in cli("show", "s").err
    folder.write("data/s.csv", 'id,v\n0,"1,5"\n')
    assert 'set `decimal: ","` in the options' in cli("show", "s").err
    declare(folder, "s: {kind: source, options: {decimal: ','}, columns: {id: int64, v: float64}}")
    assert cli("show", "s", "-o", "json").json["rows"] == [{"id": 0, "v": 1.5}]


@pytest.mark.parametrize(
    ("decimal", "place"), [("", "column"), (', decimal: ","', "options"), (', decimal: "."', "column")]
)
def test_thousands_of_integers_need_no_decimal(folder: ProjectFolder, cli: Cli, decimal: str, place: str) -> None:
    folder.write("data/s.csv", "n;m\n1.234.567;2\n-1.234;3\n")
    source = f's: {{{{kind: source, options: {{{{delimiter: ";"{decimal}}}}}, columns: {{{{n: {{}}, m: float64}}}}}}}}'
    declare(folder, source.format("int64"))
    assert f'set `thousands: "."` in the {place}' in cli("show", "s").err
    declare(folder, source.format('{type: int64, thousands: "."}'))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"n": 1234567, "m": 2.0}, {"n": -1234, "m": 3.0}]


def test_two_decimal_points_in_one_file(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "n;m\n1.234.567;1.5\n")
    source = 's: {{kind: source, options: {{delimiter: ";"{}}}, columns: {{n: float64, m: {}}}}}'
    declare(folder, source.format("", "float64"))
    assert 'set `thousands: "."` and `decimal: ","` in the options' in cli("show", "s").err
    declare(folder, source.format(', thousands: ".", decimal: ","', "float64"))
    assert 'set `decimal: "."` in the column' in cli("show", "s").err
    declare(folder, source.format(', thousands: ".", decimal: ","', '{type: float64, decimal: "."}'))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"n": 1234567.0, "m": 1.5}]


def test_point_between_thousands_in_json(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.jsonl", '{"n": "1.234"}\n')
    source = "s: {{kind: source, format: jsonl, columns: {{n: {}}}}}"
    declare(folder, source.format("int64"))
    assert "thousands" not in cli("show", "s").err
    declare(folder, source.format('{type: int64, thousands: "."}'))
    refused = cli("validate").err
    assert "option `thousands` cannot be '.': in numbers of this format it is the decimal point" in refused
    assert "declare such a column as string" in refused
    declare(folder, source.format("string"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"n": "1.234"}]


@pytest.mark.parametrize(
    ("kind", "words", "hint", "values"),
    [
        ("bool", "t f NULL", "`true_values: [t]` and `false_values: [f]` in the options", [True, False, None]),
        ("bool", "Y N NA", "`true_values: [Y]` and `false_values: [N]` in the options", [True, False, None]),
        ("bool", "yes no -", "`true_values: [yes]` and `false_values: [no]` in the options", [True, False, None]),
        ("float64", "$1.50 $2.50 NA", '`currency: "$"` in the options', [1.5, 2.5, None]),
        ("int64", "- (12) 5", "`negative: parentheses` in the options", [None, -12, 5]),
        ("time32[s]", "8:05 ? 9:10", '`time_format: "%H:%M"` in the options', ["08:05:00", None, "09:10:00"]),
        (
            "date32",
            "20240131 NaT 20240201",
            '`date_format: "%Y%m%d"` in the options',
            ["2024-01-31", None, "2024-02-01"],
        ),
        ("list<int64>", "{1} NULL {}", "`lists: postgresql` in the options", [[1], None, []]),
    ],
)
def test_spellings_and_words_for_null(
    folder: ProjectFolder, cli: Cli, kind: str, words: str, hint: str, values: list[object]
) -> None:
    folder.write("data/s.csv", "x\n" + words.replace(" ", "\n") + "\n")
    source = "s: {{kind: source, options: {{{}}}, columns: {{x: {{type: '{}'{}}}}}}}"
    declare(folder, source.format("", kind, ""))
    refused = cli("show", "s").err
    (null,) = (word for word in words.split() if repr(word) in refused)
    nulls = f'null_values: ["", "{null}"]'
    assert f"set {hint}; if {null!r} stands for null, set `{nulls}` in the column" in " ".join(refused.split())
    options = ", ".join(re.findall("`([^`]+)`", hint))
    declare(folder, source.format(options, kind, f", {nulls}"))
    assert [row["x"] for row in cli("show", "s", "-o", "json").json["rows"]] == values


@pytest.mark.parametrize("mark", [",", ";"])
def test_rows_in_quotes_as_a_whole(folder: ProjectFolder, cli: Cli, mark: str) -> None:
    folder.write("data/s.csv", f'"id{mark}v"\n"1{mark}x"\n')
    declare(folder, "s: {kind: source, columns: {id: int64, v: string}}")
    assert "each row is in quotes as a whole: take these off in the file" in cli("show", "s").err


def test_header_that_begins_with_a_hash(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "#a,b\n1,2\n")
    declare(folder, "s: {kind: source, columns: {a: int64, b: int64}}")
    assert 'the file calls it `#a`: declare it with `from: "#a"`' in cli("show", "s").err
    declare(folder, 's: {kind: source, columns: {a: {type: int64, from: "#a"}, b: int64}}')
    assert cli("show", "s", "-o", "json").json["rows"] == [{"a": 1, "b": 2}]


def test_column_name_of_a_source_that_a_database_lacks(folder: ProjectFolder, cli: Cli) -> None:
    top = "storages: {default: {root: x.duckdb, type: duckdb}}\n"
    declare(folder, "s: {kind: source, columns: {A: int64, a: int64}}", top=top)
    refused = cli("validate")
    assert "leave it out, or give the column another name here and in the duckdb table" in refused.err
    assert "transform" not in refused.err


def test_unseen_blank_in_a_header_of_one_column_is_named(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "s: {kind: source, columns: {a: int64}}")
    folder.write("data/s.csv", "a\u00a0\n1\n")
    assert 'the file calls it "a\\xa0" (U+00A0 no-break space)' in " ".join(cli("show", "s").err.split())


ENVIRONMENTS = """
environments:
  lake: {storages: {default: {root: lake, format: parquet}}}
  warehouse: {storages: {default: {root: w.duckdb, type: duckdb}}}
"""


def test_column_options_under_an_environment_of_another_format(folder: ProjectFolder, cli: Cli) -> None:
    source = "s: {{kind: source, columns: {{a: {{type: date32, date_format: '%d.%m.%Y', from: 1}}}}{}}}"
    declare(folder, source.format(""), top=ENVIRONMENTS)
    refused = cli("validate")
    assert refused.err.count("declare a storage for its file, such as `raw`, that no environment overrides") == 4
    assert "remove it" not in refused.err
    declare(folder, source.format(", storage: raw"), top=f"storages: {{raw: {{root: data}}}}{ENVIRONMENTS}")
    assert cli("validate").code == 0


@pytest.mark.parametrize("form", ["", "format: csv, "])
def test_source_under_an_environment_of_another_format(folder: ProjectFolder, cli: Cli, form: str) -> None:
    source = f"s: {{{{kind: source, {form}options: {{{{null_values: [M]}}}}, columns: {{{{a: int64}}}}{{}}}}}}"
    declare(folder, source.format(""), top=ENVIRONMENTS)
    refused = cli("validate")
    assert refused.code == 3
    assert "declare a storage for its file, such as `raw`, that no environment overrides" in refused.err
    assert "remove it" not in refused.err

    declare(folder, source.format(", storage: raw"), top=f"storages: {{raw: {{root: data}}}}{ENVIRONMENTS}")
    assert cli("validate").code == 0


@pytest.mark.parametrize("override", ["{format: parquet}", "{root: w.duckdb, type: duckdb}"])
def test_storage_of_its_own_that_an_environment_overrides(folder: ProjectFolder, cli: Cli, override: str) -> None:
    top = f"storages: {{raw: {{root: data}}}}\nenvironments:\n  lake:\n    storages:\n      raw: {override}\n"
    source = "s: {{kind: source, storage: raw, {}columns: {{a: {{type: date32, date_format: '%d.%m.%Y', from: 1}}}}}}"
    declare(folder, source.format(""), top=top)
    refused = cli("validate")
    assert refused.code == 3
    assert refused.err.count("take storage `raw` out of environment `lake`") == 2
    assert "declare a storage" not in refused.err
    assert ("or set `format: csv` in the table" in refused.err) == ("format" in override)

    declare(folder, source.format("format: csv, "), top=top)
    assert cli("validate").code == (0 if "format" in override else 3)
    declare(folder, source.format(""), top="storages: {raw: {root: data}}\nenvironments: {lake: {}}\n")
    assert cli("validate").code == 0


@pytest.mark.parametrize("chosen", ["default", "lake"])
@pytest.mark.parametrize(
    ("source", "option", "message"),
    [
        ("options: {true_values: [t]}, columns: {a: bool}", "false_values: [t]", "`t` is in `true_values` and in"),
        ("columns: {a: {type: bool, true_values: [t]}}", "false_values: [t]", "`t` is in `true_values` and in"),
    ],
)
def test_option_of_an_environment_is_where_the_problem_is(
    folder: ProjectFolder, cli: Cli, source: str, option: str, message: str, chosen: str
) -> None:
    top = (
        f"storages: {{raw: {{root: data}}}}\nenvironments:\n  lake: {{storages: {{raw: {{options: {{{option}}}}}}}}}\n"
    )
    declare(folder, f"s: {{kind: source, storage: raw, {source}}}", top=top)
    refused = cli("validate", "-e", chosen)
    assert refused.code == 3
    text = folder.read("lakehouse.yaml").splitlines()
    (line,) = [number for number, each in enumerate(text, 1) if option in each]
    assert message in refused.err
    assert f"lakehouse.yaml:{line}:{text[line - 1].index('raw') + 1}\n" in refused.err

    declare(
        folder,
        "s: {kind: source, storage: raw, columns: {a: bool}, options: {true_values: [t], false_values: [t]}}",
        top=top,
    )
    text = folder.read("lakehouse.yaml").splitlines()
    (line,) = [number for number, each in enumerate(text, 1) if "kind: source" in each]
    assert f"lakehouse.yaml:{line}:" in cli("validate", "-e", chosen).err


@pytest.mark.parametrize("template", ["minimal", "weather", "shop", "sql", "ml"])
def test_environment_of_the_readme_fits_each_template(folder: ProjectFolder, cli: Cli, template: str) -> None:
    assert cli("init", ".", "--template", template).code == 0
    file = folder.path / "lakehouse.yaml"
    file.write_text(file.read_text() + ENVIRONMENTS)
    assert cli("validate").code == 0
    for environment in ("lake", "warehouse"):
        assert cli("run", "-e", environment).code == 0


def test_force_is_not_advised_where_it_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    top = "storages: {lake: {root: lake, type: delta}}\n"
    folder.write("transforms.py", 'def t(): return __import__("pandas").DataFrame({"a": [1]})\n')
    declare(folder, "t: {storage: lake, columns: {a: int64}}", top=top)
    deltalake.write_deltalake("lake/t", pa.table({"a": [5]}), configuration={"delta.appendOnly": "true"})
    refused = cli("run")
    assert "lake/t has what computed tables have not: delta.appendOnly" in refused.err
    assert "--force" not in refused.err
    deltalake.DeltaTable("lake/t").alter.set_table_properties({"delta.appendOnly": "false"})
    assert "`lakehouse run --force t` replaces what is there" in cli("run").err
    assert cli("run", "--force", "t").code == 0


def test_table_that_a_foreign_key_of_duckdb_holds(folder: ProjectFolder, cli: Cli) -> None:
    top = "storages: {default: {root: x.duckdb, type: duckdb}}\n"
    folder.write("transforms.py", 'def t(): return __import__("pandas").DataFrame({"a": [1]})\n')
    declare(folder, "t: {columns: {a: int64}}", top=top)
    with duckdb.connect("x.duckdb") as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE TABLE u (x INTEGER REFERENCES t (a))")
    refused = cli("run", "--force", "t")
    assert "next: drop the foreign keys that refer to it, or give the table another `path:`" in refused.err
    with duckdb.connect("x.duckdb") as connection:
        connection.execute("DROP TABLE u")
    assert cli("run", "--force", "t").code == 0


def test_existing_columns_are_not_suggested_for_others(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "amount_1,note\n1,x\n")
    declare(folder, "s: {kind: source, columns: {amount_1: int64, amount_2: int64}}")
    refused = cli("show", "s").err
    assert "its columns are `amount_1`, `note`" in refused
    assert "did you mean" not in refused

    folder.write(
        "transforms.py", 'def t(): return __import__("pandas").DataFrame({"amount_1": [1], "amount_2": [1]})\n'
    )
    declare(folder, "t: {columns: {amount_1: int64}}")
    assert "column `amount_2` is not declared; declare it, or set `extra_columns: drop`" in cli("run").err


ANNOTATED = """
import polars as pl
import pandas
import typing
from collections.abc import Iterator
from duckdb import DuckDBPyConnection as Connection
from pandas import DataFrame, Series
try:
    import missing_frames.pandas as mf
except ImportError:
    mf = None

class Own(DataFrame): ...
class Plain: ...
class Rows(Plain, list): ...
import numpy as np
Alias = list
Mapped = dict[str, int]
New = typing.NewType("New", DataFrame)
Free = typing.TypeVar("Free")
Bound: typing.Any = typing.TypeVar("Bound", bound=DataFrame)
Frame = Own
"""


@pytest.mark.parametrize(
    ("signature", "message", "hint"),
    [
        (
            "s: Series",
            "parameter `s` of `t`: `pandas.Series` is not a supported",
            "a pandas.Series can only be returned",
        ),
        ("s: dict[str, DataFrame]", "parameter `s` of `t`: `dict` is not a supported", "use pandas.DataFrame"),
        ("s: 'Unknown.Thing'", "parameter `s` of `t`: `Unknown` is not defined in its module", "import it"),
        ("s: typing.Optional[int]", "parameter `s` of `t`: `int` is not a supported", "use pandas.DataFrame"),
        (
            "s: Connection",
            "parameter `s` of `t`: `duckdb.DuckDBPyConnection` is not a supported",
            "use duckdb.DuckDBPyRelation",
        ),
        (
            "s: DataFrame()",
            "parameter `s` of `t`: `pandas.DataFrame(…)` is a value",
            "did you mean `pandas.DataFrame`?",
        ),
        ("s: '[DataFrame]'", "parameter `s` of `t`: `[DataFrame]` is a value", "use pandas.DataFrame"),
        ("s: 1.5", "parameter `s` of `t`: `1.5` is a value", "use pandas.DataFrame"),
        ("s: (DataFrame, Series)", "parameter `s` of `t`: `(DataFrame, Series)` is a value", "use pandas.DataFrame"),
        ("s) -> (dict()", "result of `t`: `dict(…)` is a value", "use pandas.DataFrame"),
        (
            "s: mf.DataFrame",
            "parameter `s` of `t`: `missing_frames.pandas.DataFrame` needs missing_frames",
            "install it",
        ),
        (
            "s) -> ('mf.DataFrame'",
            "result of `t`: `missing_frames.pandas.DataFrame` needs missing_frames",
            "install it",
        ),
        ("s: pandas.DataFram", "`pandas.DataFram` is not a supported frame type", "did you mean `pandas.DataFrame`?"),
        ("s: pl.Dataframe", "`polars.Dataframe` is not a supported frame type", "did you mean `polars.DataFrame`"),
        ("s) -> (pandas.Serie", "`pandas.Serie` is not a supported frame type", "did you mean `pandas.Series`"),
        ("s) -> (Iterator[DataFrame]", "result of `t`: `collections.abc.Iterator` is not a supported", "use pandas"),
        ("s: Plain", "parameter `s` of `t`: `transforms.Plain` is not a supported", "use pandas.DataFrame"),
        ("s) -> (Rows", "result of `t`: `transforms.Rows` is not a supported", "use pandas.DataFrame"),
        ("s: Alias", "parameter `s` of `t`: `list` is not a supported", "use pandas.DataFrame"),
        ("s: Mapped", "parameter `s` of `t`: `dict` is not a supported", "use pandas.DataFrame"),
        ("s: New", "parameter `s` of `t`: `transforms.New` is not a supported", "use pandas.DataFrame"),
        ("s: Free", "parameter `s` of `t`: `transforms.Free` is not a supported", "use pandas.DataFrame"),
        ("s: 'Plain | None'", "parameter `s` of `t`: `transforms.Plain` is not a supported", "use pandas.DataFrame"),
        ("s: np.array", "parameter `s` of `t`: `numpy.array` is not a supported", "use pandas.DataFrame"),
        ("s: typing.Callable", "parameter `s` of `t`: `typing.Callable` is not a supported", "use pandas.DataFrame"),
        ("s: 'list[int'", "parameter `s` of `t`: `list[int` is not an expression of Python", "correct the annotation"),
    ],
)
def test_annotations_that_cannot_work_are_refused(
    folder: ProjectFolder, cli: Cli, signature: str, message: str, hint: str
) -> None:
    folder.write("transforms.py", f"{ANNOTATED}\ndef t({signature}): return s\n")
    declare(folder, "s: {kind: source, columns: {a: int64}}\nt: {}", top=ENVIRONMENTS)
    refused = cli("validate")
    assert refused.code == 3
    assert message in refused.err
    assert hint in refused.err
    assert "transforms.py:23" in refused.err
    assert cli("run").code == 3


@pytest.mark.parametrize("annotation", ["int", "list", "dict[str, int]", "'str'", "List", "Dict[str, int]"])
def test_star_import_of_typing_hides_no_annotation(folder: ProjectFolder, cli: Cli, annotation: str) -> None:
    folder.write("transforms.py", f"from typing import *\ndef t(s: {annotation}): return s\n")
    declare(folder, "s: {kind: source, columns: {a: int64}}\nt: {}")
    refused = cli("validate")
    assert refused.code == 3
    assert "is not a supported frame type" in refused.err


@pytest.mark.parametrize(
    "signature",
    [
        "s: Own",
        "s: 'pl.DataFrame'",
        "s: pandas.DataFrame | None = None",
        "s: typing.Any, n: int = 3",
        "s) -> (Series",
        "s: typing.Union[int, DataFrame]",
        "s) -> (typing.Annotated[DataFrame, 'x']",
        "s: DataFrame | mf.DataFrame",
        "s: type(DataFrame())",
        "s: Bound",
        "s: Frame",
        "s: 'DataFrame]'",
        "*s: DataFrame",
    ],
)
def test_annotations_that_may_work_are_accepted(folder: ProjectFolder, cli: Cli, signature: str) -> None:
    folder.write("transforms.py", f"from __future__ import annotations\n{ANNOTATED}\ndef t({signature}): return s\n")
    declare(folder, "s: {kind: source, columns: {a: int64}}\nt: {}")
    assert cli("validate").code == 0


def test_sqlite_rows_of_the_wrong_type_are_named(folder: ProjectFolder, cli: Cli) -> None:
    with closing(sqlite3.connect("x.sqlite")) as connection:
        connection.execute("CREATE TABLE s (id INTEGER, v REAL)")
        rows = [("a", 1.5), ("b", "x"), (3, "y"), ("four", "z"), (5, 2.5)]
        connection.executemany("INSERT INTO s VALUES (?, ?)", rows)
        connection.commit()
    top = "storages: {default: {root: x.sqlite, type: sqlite}}\n"
    declare(folder, "s: {kind: source, columns: {id: int64, v: float64}}", top=top)
    refused = cli("show", "s").err
    assert "`id` is declared int64 and holds text among integers in 3 rows" in refused
    assert "row 1: 'a', row 2: 'b', row 4: 'four'" in refused
    assert "`v` is declared float64 and holds text among floats in 3 rows" in refused
    assert "row 2: 'x', row 3: 'y', row 4: 'z'" in refused


def test_decimals_are_shown_in_full(folder: ProjectFolder, cli: Cli) -> None:
    long = "-1234567.8901234567890123456789012345678"
    folder.write("data/s.csv", f"a,b\n0.0000000001,{long}\n")
    declare(folder, 's: {kind: source, columns: {a: "decimal128(20, 10)", b: "decimal128(38, 31)"}}')
    shown = cli("show", "s").out
    assert "0.0000000001" in shown
    assert long in shown
    assert cli("show", "s", "-o", "json").json["rows"] == [{"a": "0.0000000001", "b": long}]


def test_ls_and_show_agree_on_nulls_in_key_columns(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "a,b,c\n1,2,3\n")
    declare(folder, "s: {kind: source, key: a, columns: {a: int64, b: {type: int64, nullable: false}, c: int64}}")
    (listed,) = cli("ls", "-o", "json").json["tables"]
    assert listed["columns"] == cli("show", "s", "-o", "json").json["columns"]
    assert [column["nullable"] for column in listed["columns"]] == [False, False, True]


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz"])
@pytest.mark.parametrize(
    ("packed", "what"),
    [
        (lzma.compress(b"a\n1\n"), "xz"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z"),
        (b"Rar!\x1a\x07\x01\x00", "rar"),
        (b"\x04\x22\x4d\x18\x64\x40", "lz4"),
        (b"\x1f\x9d\x90a", "compress"),
    ],
)
def test_packed_data_that_are_not_read_are_named(
    folder: ProjectFolder, cli: Cli, name: str, packed: bytes, what: str
) -> None:
    (folder.path / "data").mkdir()
    (folder.path / "data" / name).write_bytes(packed)
    declare(folder, "s: {kind: source, columns: {a: int64}}")
    refused = cli("show", "s").err
    assert (f"it is {what} data: " if name.endswith(".gz") else f"`data/{name}` is {what} data\n") in refused
    assert "unpack it first" in refused


@pytest.mark.parametrize("text", ['{"data":[{"a":1}]}', '{"count": 1,\n "data": [\n{"a": 1}\n]\n}\n'])
def test_array_inside_of_an_object_is_named(folder: ProjectFolder, cli: Cli, text: str) -> None:
    folder.write("data/s.json", text)
    declare(folder, "s: {kind: source, format: json, columns: {a: int64}}")
    refused = cli("show", "s").err
    assert 'have the array "data" in it written by itself, to a file of its own' in refused
    assert "jsonl" not in refused


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_plain_text_named_gz(folder: ProjectFolder, cli: Cli, options: dict[str, str]) -> None:
    source = "s: {{kind: source, options: {{{}}}, columns: {{a: int64}}}}"
    text = ", ".join(f"{name}: {value}" for name, value in options.items())
    file = folder.write("data/s.csv.gz", "a\n1\n")
    declare(folder, source.format(text))
    refused = cli("show", "s").err
    assert "`data/s.csv.gz` is not gzip data" in refused
    assert "rename it to `data/s.csv`" in refused
    assert ("remove `compression: gzip` from its options" in refused) == bool(options)
    assert "or set `suffix: .csv.gz` and `compression: none` in its options" in refused

    declare(folder, source.format("suffix: .csv.gz, compression: none"))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1
    file.rename(file.with_suffix(""))
    declare(folder, source.format(""))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_data_named_after_another_compression(folder: ProjectFolder, cli: Cli) -> None:
    file = folder.write("data/s.jsonl.gz", "")
    file.write_bytes(bz2.compress(b'{"a": 1}\n'))
    declare(folder, "s: {kind: source, format: jsonl, columns: {a: int64}}")
    assert "it is bz2 data: rename it to `data/s.jsonl.bz2`" in cli("show", "s").err
    file.rename(file.with_suffix(".bz2"))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_gzip_data_that_end_early(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv.gz", "").write_bytes(gzip.compress(b"a\n1\n")[:-3])
    declare(folder, "s: {kind: source, columns: {a: int64}}")
    refused = cli("show", "s").err
    assert "is not whole gzip data: it ends early" in refused
    assert "fetch the file again" in refused
    assert "compression" not in refused


@pytest.mark.parametrize("command", ["plan", "run", "show"])
def test_other_ending_of_a_missing_source(folder: ProjectFolder, cli: Cli, command: str) -> None:
    folder.write("data/s.txt", "a\n1\n")
    folder.write("transforms.py", "def t(s): return s\n")
    tables = "s: {{kind: source, {}columns: {{a: int64}}}}\n t: {{columns: {{a: int64}}}}"
    arguments = [command, "s"] if command == "show" else [command]
    declare(folder, tables.format(""))
    shown = cli(*arguments)
    assert "data/s.txt is there: set `suffix: .txt` in its options" in shown.out + shown.err
    declare(folder, tables.format("options: {suffix: .txt}, "))
    followed = cli(*arguments)
    assert followed.code == 0
    assert "s.txt is there" not in followed.out + followed.err


def test_timestamps_that_end_in_utc(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "at\n2024-01-01 10:00:00 UTC\n")
    source = "s: {{kind: source, columns: {{at: '{}'}}}}"
    declare(folder, source.format("timestamp[s]"))
    assert "declare `timestamp[s, tz=UTC]`" in cli("show", "s").err

    declare(folder, source.format("timestamp[s, tz=UTC]"))
    (row,) = cli("show", "s", "-o", "json").json["rows"]
    assert row["at"] == "2024-01-01 10:00:00Z"


@pytest.mark.parametrize(
    ("before", "option", "hint"),
    [
        ("", "header: false", "if that line is data, set `header: false` in its options"),
        ("title\n\n", "skip_rows: 1", "its header is further down: set `skip_rows: 1` in its options"),
        ("title\n" * 7, "skip_rows: 7", "if it stands before the header, set `skip_rows` to the number of such lines"),
    ],
)
def test_first_line_that_is_no_header(folder: ProjectFolder, cli: Cli, before: str, option: str, hint: str) -> None:
    header = "amount,note\n" if before else ""
    folder.write("data/s.csv", f"{before}{header}1,x\n")
    source = "s: {{kind: source, options: {{{}}}, columns: {{amount: int64, note: string}}}}"
    declare(folder, source.format(""))
    assert hint in cli("show", "s").err
    declare(folder, source.format(option))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"amount": 1, "note": "x"}]


def test_parquet_named_csv(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    parquet.write_table(pa.table({"a": [1]}), folder.path / "data/s.csv")
    declare(folder, "s: {kind: source, columns: {a: int64}}")
    refused = cli("show", "s").err
    assert "`data/s.csv` is a Parquet file" in refused
    assert "set `format: parquet`, and in its options `suffix`" in refused
    declare(folder, "s: {kind: source, format: parquet, options: {suffix: .csv}, columns: {a: int64}}")
    assert cli("show", "s", "-o", "json").json["rows"] == [{"a": 1}]


def test_cell_with_a_time_of_day_in_a_date_column(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    workbook = Workbook()
    for row in (["at"], [datetime(2024, 1, 1, 5)]):
        workbook.active.append(row)
    workbook.save(folder.path / "data/s.xlsx")
    source = "s: {{kind: source, format: excel, columns: {{at: '{}'}}}}"
    declare(folder, source.format("date32"))
    assert "it has a time of day: declare `timestamp[us]`" in cli("show", "s").err
    declare(folder, source.format("timestamp[us]"))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_text_of_sqlite_in_another_encoding(folder: ProjectFolder, cli: Cli) -> None:
    with closing(sqlite3.connect("x.sqlite")) as connection:
        connection.execute("CREATE TABLE s AS SELECT CAST(x'e941' AS TEXT) AS a")
        connection.commit()
        top = "storages: {default: {root: x.sqlite, type: sqlite}}\n"
        declare(folder, "s: {kind: source, columns: {a: string}}", top=top)
        refused = cli("show", "s").err
        assert "select from a view that makes it bytes, `CAST(… AS BLOB)`, and declare the column as binary" in refused
        connection.execute("CREATE VIEW v AS SELECT CAST(a AS BLOB) AS a FROM s")
        connection.commit()
    declare(folder, "s: {kind: source, path: v, columns: {a: binary}}", top=top)
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_missing_delta_table(folder: ProjectFolder, cli: Cli) -> None:
    top = "storages: {default: {root: lake, type: delta}}\n"
    declare(folder, "s: {kind: source, columns: {a: int64}}", top=top)
    assert "put a Delta table there, or correct `path:` or the storage's `root:`" in cli("show", "s").err
    deltalake.write_deltalake("lake/s", pa.table({"a": [1]}))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_nameless_column_of_a_sheet(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    workbook = Workbook()
    for row in ([None, "x"], [1, 2]):
        workbook.active.append(row)
    workbook.save(folder.path / "data/s.xlsx")
    source = "s: {{kind: source, format: excel, columns: {{i: {}, x: int64}}}}"
    declare(folder, source.format("int64"))
    assert "column 1 of the file has no name: read it with `from: 1`" in cli("show", "s").err
    declare(folder, source.format("{type: int64, from: 1}"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"i": 1, "x": 2}]


@pytest.mark.parametrize("quote", ['"', "'"])
def test_blanks_before_quotes_in_a_header(folder: ProjectFolder, cli: Cli, quote: str) -> None:
    folder.write("data/s.csv", f"{quote}x{quote}, {quote}y{quote}\n1, {quote}2{quote}\n")
    option = "" if quote == '"' else """quote_char: "'", """
    source = "s: {{kind: source, options: {{{}}}, columns: {{x: int64, y: int64}}}}"
    declare(folder, source.format(option))
    assert "its header has blanks before quotes: set `trim: true` in its options" in cli("show", "s").err
    declare(folder, source.format(option + "trim: true"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": 1, "y": 2}]


def test_hints_of_several_missing_columns_stand_beside_them(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "\ufeff\ufeffa,bb,x\n1,2,3\n")
    declare(folder, "s: {kind: source, columns: {a: int64, bbb: int64, q: int64}}")
    lines = " ".join(cli("show", "s").err.split())
    assert 'column `a`: the file has no such column; the file calls it "\\ufeffa"' in lines
    assert "column `bbb`: the file has no such column; did you mean `bb`?" in lines
    assert "next: its columns are" in lines


@pytest.mark.parametrize(
    ("kind", "text", "option", "value"),
    [
        ("date32", "20240131", 'date_format: "%Y%m%d"', "2024-01-31"),
        ("date32", "03/14/2020", 'date_format: "%m/%d/%Y"', "2020-03-14"),
        ("date32", "14/03/2020", 'date_format: "%d/%m/%Y"', "2020-03-14"),
        ("date32", "31 Dec 2020", 'date_format: "%d %b %Y"', "2020-12-31"),
        ("date32", "31-Dec-20", 'date_format: "%d-%b-%y"', "2020-12-31"),
        ("date32", "December 31, 2020", 'date_format: "%B %d, %Y"', "2020-12-31"),
        ("date32", "2020/12/31", 'date_format: "%Y/%m/%d"', "2020-12-31"),
        ("timestamp[s]", "14/03/2020 08:05", 'timestamp_format: "%d/%m/%Y %H:%M"', "2020-03-14 08:05:00"),
        ("timestamp[s]", "12/31/2020 8:05:06 PM", 'timestamp_format: "%m/%d/%Y %I:%M:%S %p"', "2020-12-31 20:05:06"),
    ],
)
def test_format_of_dates_is_named(
    folder: ProjectFolder, cli: Cli, kind: str, text: str, option: str, value: str
) -> None:
    folder.write("data/s.csv", f"x;y\n{text};1\n")
    source = "s: {{kind: source, options: {{delimiter: ';'{}}}, columns: {{x: '{}'}}}}"
    # Counts are for timestamps alone.
    for before in ("", ", epoch_unit: ms") if kind == "date32" else ("",):
        declare(folder, source.format(before, kind))
        assert f"set `{option}` in the options" in cli("show", "s").err
        declare(folder, source.format(f"{before}, {option}", kind))
        assert cli("show", "s", "-o", "json").json["rows"] == [{"x": value}]


def test_formats_that_both_read_dates_are_named(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "x\n31.12.20\n01.02.03\n")
    declare(folder, "s: {kind: source, columns: {x: date32}}")
    refused = " ".join(cli("show", "s").err.split())
    assert 'set `date_format: "%d.%m.%y"` or `date_format: "%y.%m.%d"` in the options' in refused


@pytest.mark.parametrize(
    ("kind", "text", "hint", "declared", "value"),
    [
        ("time32[s]", "08:05:06.5", "declare `time32[ms]`", "'time32[ms]'", "08:05:06.500"),
        (
            "time32[s]",
            "8:05:06.5",
            'declare `time32[ms]`, and set `time_format: "%H:%M:%S.%f"` in the column',
            "{type: 'time32[ms]', time_format: '%H:%M:%S.%f'}",
            "08:05:06.500",
        ),
        ("time32[ms]", "08:05:06.1234", "declare `time64[us]`", "'time64[us]'", "08:05:06.123400"),
        ("duration[s]", "1.5", "declare `duration[ms]`", "'duration[ms]'", "1500 ms"),
    ],
)
def test_fractions_of_times_and_durations(
    folder: ProjectFolder, cli: Cli, kind: str, text: str, hint: str, declared: str, value: str
) -> None:
    folder.write("data/s.csv", f"x,y\n{text},1\n")
    source = "s: {{kind: source, columns: {{x: {}}}}}"
    declare(folder, source.format(f"'{kind}'"))
    assert f"it has fractions of a second: {hint}\n" in cli("show", "s").err
    declare(folder, source.format(declared))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": value}]


@pytest.mark.parametrize(
    ("kind", "text", "hint"),
    [
        ("date32", "1", "YYYY-MM-DD is expected"),
        ("date32", "1700000000", "it counts from 1970 as `epoch_unit` says: declare `timestamp[us, tz=UTC]`"),
        ("timestamp[s]", "1e30", "no timestamp is as far from 1970: correct the file, or set another `epoch_unit`"),
        ("timestamp[s]", "soon", "a number is expected, as `epoch_unit` is set"),
    ],
)
def test_hints_where_timestamps_are_counts(folder: ProjectFolder, cli: Cli, kind: str, text: str, hint: str) -> None:
    folder.write("data/s.csv", f"x,y\n{text},1\n")
    source = "s: {{kind: source, options: {{epoch_unit: s}}, columns: {{x: '{}'}}}}"
    declare(folder, source.format(kind))
    assert hint in cli("show", "s").err
    if text == "1700000000":
        declare(folder, source.format("timestamp[us, tz=UTC]"))
        assert cli("show", "s", "-o", "json").json["rows"] == [{"x": "2023-11-14 22:13:20.000000Z"}]


@pytest.mark.parametrize(("kind", "noun"), [("date32", "date"), ("timestamp[s]", "date"), ("time32[s]", "time")])
def test_text_among_dates_of_a_sheet(folder: ProjectFolder, cli: Cli, kind: str, noun: str) -> None:
    (folder.path / "data").mkdir()
    workbook = Workbook()
    for row in (["x"], ["31/12/2020"]):
        workbook.active.append(row)
    workbook.save(folder.path / "data/s.xlsx")
    source = "s: {{kind: source, format: excel, columns: {{x: '{}'}}}}"
    declare(folder, source.format(kind))
    refused = cli("show", "s").err
    assert f"it is a text: make it a {noun} in the sheet, or declare the column as string" in refused
    declare(folder, source.format("string"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": "31/12/2020"}]


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("map<string, int64>", '{"a":1,"a":2}', "the name `a` is there twice"),
        ("struct<a: int64>", '{"a":1,"a":2}', "the name `a` is there twice"),
        ("list<struct<a: int64>>", '[{"a":1,"a":2}]', "the name `a` is there twice"),
        ("map<string, float64>", '{"a":NaN}', 'NaN is no JSON; as text, "NaN", it is read as a float'),
    ],
)
def test_json_that_is_refused_says_why(folder: ProjectFolder, cli: Cli, kind: str, text: str, why: str) -> None:
    folder.write("data/s.csv", f"x;y\n'{text}';1\n")
    source = "s: {{kind: source, options: {{delimiter: ';', quote_char: \"'\"}}, columns: {{x: '{}'}}}}"
    declare(folder, source.format(kind))
    refused = " ".join(cli("show", "s").err.split())
    assert f"{why}: correct the file, or declare the column as string" in refused
    assert "to_json" not in refused
    declare(folder, source.format("string"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": text}]


def test_interval_of_duckdb_in_parquet(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    query = "COPY (SELECT {} AS x FROM (SELECT INTERVAL 90 SECOND AS i)) TO 'data/s.parquet' (FORMAT parquet)"
    source = "s: {{kind: source, format: parquet, columns: {{x: '{}'}}}}"
    duckdb.sql(query.format("i"))
    declare(folder, source.format("duration[us]"))
    refused = " ".join(cli("show", "s").err.split())
    assert "as DuckDB's INTERVAL is stored: write `epoch(…)` of it in its place" in refused
    duckdb.sql(query.format("epoch(i)"))
    declare(folder, source.format("float64"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": 90.0}]


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"])
@pytest.mark.parametrize("form", ["{}", "[NULL, {}]", "{{'a': {}}}"])
def test_infinity_of_duckdb_is_shown_by_its_name(folder: ProjectFolder, cli: Cli, kind: str, form: str) -> None:
    values = [form.format(f"'{text}'::{kind}") for text in ("infinity", "2020-01-01", "-infinity")]
    with closing(duckdb.connect("w.duckdb")) as connection:
        connection.execute(f"CREATE TABLE s AS FROM (VALUES ({'), ('.join(values)})) AS t(x)")
    declare(folder, "s: {kind: source, storage: w}", top="storages: {w: {root: w.duckdb, type: duckdb}}\n")
    refused = cli("show", "s")
    assert refused.code == 1
    assert "`x` holds 2 values that are infinite" in refused.err
    assert "row 1: infinity, row 3: -infinity\n" in refused.err


def test_path_in_a_hint_is_in_quotes_where_it_needs_them(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/t .csv", "a\n1\n")
    declare(folder, "t: {kind: source}")
    assert 'data/t .csv is there: set `path: "t "`\n' in cli("show", "t").err
    declare(folder, 't: {kind: source, path: "t "}')
    assert cli("show", "t").code == 0


def test_blanks_around_names_of_a_header_have_one_hint(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "a, b, c\n1,2,3\n")
    source = "s: {{kind: source, {}columns: {{a: int64, b: int64, c: int64}}}}"
    declare(folder, source.format(""))
    refused = cli("show", "s").err
    assert "its header has blanks around names: set `trim: true`" in refused
    assert "did you mean" not in refused
    declare(folder, source.format("options: {trim: true}, "))
    assert cli("show", "s").code == 0
