"""Hints on what is declared: paths, environments, storages, columns of results. What each says works when done."""

from __future__ import annotations

import gzip

import deltalake
import duckdb
import pyarrow as pa
import pytest

from tests.conftest import Cli, ProjectFolder

ENVIRONMENTS = """
environments:
  lake: {storages: {default: {root: lake, format: parquet}}}
  warehouse: {storages: {default: {root: w.duckdb, type: duckdb}}}
"""


def test_path_with_a_pattern_and_an_ending_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare('s: {kind: source, path: "fold/*.csv"}')
    assert "ends in `.csv`, which the format adds" in (refused := cli("validate").err)
    assert "write `fold/*`" in refused


def test_gzip_data_named_csv_is_read(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    (folder.path / "data/s.csv").write_bytes(gzip.compress(b"a\n1\n"))
    folder.declare("s: {kind: source, columns: {a: int64}}")
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


@pytest.mark.parametrize("inputs", ['"sales_*"', '["sales_*"]', '{sales: "sales_*"}'])
def test_pattern_in_inputs(folder: ProjectFolder, cli: Cli, inputs: str) -> None:
    tables = "s: {{kind: source, columns: {{a: int64}}}}\nt: {{inputs: {}}}"
    folder.write("transforms.py", "def t(sales): return sales\n")
    folder.declare(tables.format(inputs))
    refused = cli("validate")
    assert refused.code == 3
    assert "list each table by name, as in `inputs: [a, b]`" in refused.err
    folder.declare(tables.format("[s]"))
    assert cli("validate").code == 0


def test_url_of_a_storage_of_files(folder: ProjectFolder, cli: Cli) -> None:
    """Also where a cluster computes tables, whose workers see no folder of this machine."""
    top = 'storages: {default: {type: files, root: "s3://lake/x"}}\nexecution: {executor: ray}\n'
    folder.declare("s: {kind: source, columns: {a: int64}}", top=top)
    refused = cli("validate")
    assert refused.code == 3
    assert "leave out `type: files`: the root says that it is of type s3" in refused.err
    folder.edit("lakehouse.yaml", "type: files, ", "")
    assert cli("validate").code == 0


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("raw/events/sales_*", "there are `data/raw/events/name.csv`: correct `path:`"),
        ("raw/events", "data/raw/events is a folder: `path: raw/events/` reads all files in it, `raw/events/name` one"),
    ],
)
def test_pattern_or_folder_in_path(folder: ProjectFolder, cli: Cli, path: str, hint: str) -> None:
    folder.write("data/raw/events/name.csv", "a\n1\n")
    folder.declare(f's: {{kind: source, path: "{path}", columns: {{a: int64}}}}')
    assert hint in cli("show", "s").err
    for right in ("raw/events/name", "raw/events/"):
        folder.declare(f"s: {{kind: source, path: {right}, columns: {{a: int64}}}}")
        assert cli("show", "s").code == 0


def test_env_that_is_a_folder_sets_no_variable(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / ".env").mkdir()
    folder.declare("s: {kind: source}", top='storages: {default: {root: "${ROOT}"}}\n')
    assert "set it in the process (`.env` is a folder here" in cli("validate").err
    folder.declare("s: {kind: source}", top='storages: {default: {root: "${ROOT:-data}"}}\n')
    assert cli("validate").code == 0


@pytest.mark.parametrize("leads_to", ["../../elsewhere", "../elsewhere"])
def test_link_in_place_of_manifests(folder: ProjectFolder, cli: Cli, leads_to: str) -> None:
    folder.write("transforms.py", 'def t(): return __import__("pandas").DataFrame({"a": [1]})\n')
    folder.declare("t: {columns: {a: int64}}")
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


def test_column_options_under_an_environment_of_another_format(folder: ProjectFolder, cli: Cli) -> None:
    source = "s: {{kind: source, columns: {{a: {{type: date32, date_format: '%d.%m.%Y', from: 1}}}}{}}}"
    folder.declare(source.format(""), top=ENVIRONMENTS)
    refused = cli("validate")
    assert refused.err.count("declare a storage for its file, such as `raw`, that no environment overrides") == 4
    assert "remove it" not in refused.err
    folder.declare(source.format(", storage: raw"), top=f"storages: {{raw: {{root: data}}}}{ENVIRONMENTS}")
    assert cli("validate").code == 0


@pytest.mark.parametrize("form", ["", "format: csv, "])
def test_source_under_an_environment_of_another_format(folder: ProjectFolder, cli: Cli, form: str) -> None:
    source = f"s: {{{{kind: source, {form}options: {{{{null_values: [M]}}}}, columns: {{{{a: int64}}}}{{}}}}}}"
    folder.declare(source.format(""), top=ENVIRONMENTS)
    refused = cli("validate")
    assert refused.code == 3
    assert "declare a storage for its file, such as `raw`, that no environment overrides" in refused.err
    assert "remove it" not in refused.err

    folder.declare(source.format(", storage: raw"), top=f"storages: {{raw: {{root: data}}}}{ENVIRONMENTS}")
    assert cli("validate").code == 0


@pytest.mark.parametrize("override", ["{format: parquet}", "{root: w.duckdb, type: duckdb}"])
def test_storage_of_its_own_that_an_environment_overrides(folder: ProjectFolder, cli: Cli, override: str) -> None:
    top = f"storages: {{raw: {{root: data}}}}\nenvironments:\n  lake:\n    storages:\n      raw: {override}\n"
    source = "s: {{kind: source, storage: raw, {}columns: {{a: {{type: date32, date_format: '%d.%m.%Y', from: 1}}}}}}"
    folder.declare(source.format(""), top=top)
    refused = cli("validate")
    assert refused.code == 3
    assert refused.err.count("take storage `raw` out of environment `lake`") == 2
    assert "declare a storage" not in refused.err
    assert ("or set `format: csv` in the table" in refused.err) == ("format" in override)

    folder.declare(source.format("format: csv, "), top=top)
    assert cli("validate").code == (0 if "format" in override else 3)
    folder.declare(source.format(""), top="storages: {raw: {root: data}}\nenvironments: {lake: {}}\n")
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
    folder.declare(f"s: {{kind: source, storage: raw, {source}}}", top=top)
    refused = cli("validate", "-e", chosen)
    assert refused.code == 3
    text = folder.read("lakehouse.yaml").splitlines()
    (line,) = [number for number, each in enumerate(text, 1) if option in each]
    assert message in refused.err
    assert f"lakehouse.yaml:{line}:{text[line - 1].index('raw') + 1}\n" in refused.err

    folder.declare(
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
    folder.declare("t: {storage: lake, columns: {a: int64}}", top=top)
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
    folder.declare("t: {columns: {a: int64}}", top=top)
    with duckdb.connect("x.duckdb") as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE TABLE u (x INTEGER REFERENCES t (a))")
    refused = cli("run", "--force", "t")
    assert "next: drop the foreign keys that refer to it, or give the table another `path:`" in refused.err
    with duckdb.connect("x.duckdb") as connection:
        connection.execute("DROP TABLE u")
    assert cli("run", "--force", "t").code == 0


def test_existing_columns_are_not_suggested_for_others(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "amount_1,note\n1,x\n")
    folder.declare("s: {kind: source, columns: {amount_1: int64, amount_2: int64}}")
    refused = cli("show", "s").err
    assert "its columns are `amount_1`, `note`" in refused
    assert "did you mean" not in refused

    folder.write(
        "transforms.py", 'def t(): return __import__("pandas").DataFrame({"amount_1": [1], "amount_2": [1]})\n'
    )
    folder.declare("t: {columns: {amount_1: int64}}")
    assert "column `amount_2` is not declared; declare it, or set `extra_columns: drop`" in cli("run").err


def test_path_in_a_hint_is_in_quotes_where_it_needs_them(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/t .csv", "a\n1\n")
    folder.declare("t: {kind: source}")
    assert 'data/t .csv is there: set `path: "t "`\n' in cli("show", "t").err
    folder.declare('t: {kind: source, path: "t "}')
    assert cli("show", "t").code == 0


def test_declared_in_python_settings_are_keywords(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/o.csv", "x\n1\n")
    code = """
        from lakehouse_cli import Column, Lakehouse, computed_table, source_table
        o = source_table("o", columns={"x": "int64"})
        @computed_table(columns=[Column("x", "int64", nullable=False)])
        def a(o, p): return o.assign(x=[None])
        @computed_table(columns=[Column("x", "int64")])
        def b(o): return o.assign(y=1)
        lakehouse = Lakehouse(assets=[a, b])
        """
    folder.write("tables.py", code)
    assert "name its table under `inputs=…` of `a`, or its value under `params=…`" in cli("-m", "tables", "plan").err
    folder.edit("tables.py", "a(o, p)", "a(o)")
    said = cli("-m", "tables", "run").err
    assert "is declared `nullable=False`" in said
    assert "set `extra_columns='drop'`" in said
    # Functions of a project file are in Python as well, and what is said of them is not.
    folder.declare("o: {kind: source}\na: {}", "def a(o, p): return o")
    assert "under `inputs:` of `a`" in cli("plan").err
