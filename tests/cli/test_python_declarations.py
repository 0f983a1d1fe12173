"""Tables declared in Python: the same plans, bytes and problems as from YAML."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests import preloaded
from tests.conftest import Cli, ProjectFolder
from tests.preloaded import Preloaded

ROOT = Path(__file__).parent.parent.parent
ORDERS = "customer,amount\nada,3\nbob,4\nada,5\n"
TABLES = """
    import pandas as pd
    from lakehouse_cli import Column, Lakehouse, computed_table, source_table

    orders = source_table("orders", columns=[Column("customer", "string"), Column("amount", "int64")])


    @computed_table(columns={"customer": "string", "total": "int64"}, key=["customer"])
    def totals(orders: pd.DataFrame) -> pd.DataFrame:
        return orders.groupby("customer", as_index=False).agg(total=("amount", "sum"))


    lakehouse = Lakehouse(assets=[totals, orders])
"""


@pytest.fixture
def declared(folder: ProjectFolder) -> ProjectFolder:
    """A project whose tables are declared in `tables.py`, without a project file."""
    folder.write("data/orders.csv", ORDERS)
    folder.write("tables.py", TABLES)
    return folder


def declare(folder: ProjectFolder, code: str, **more: str) -> None:
    """Write `tables.py` with the imports that all of them have."""
    imports = "import pandas as pd\nfrom lakehouse_cli import Column, Lakehouse, computed_table, source_table\n"
    folder.write("tables.py", code)
    folder.write("tables.py", imports + folder.read("tables.py"))
    for name, text in more.items():
        folder.write(f"{name}.py", text)


def problems(cli: Cli, *arguments: str) -> list[str]:
    """What `validate` reports, each with its place."""
    done = cli("-m", "tables", "validate", "-o", "json", *arguments)
    assert done.code == 3, done
    return [f"{p['file']}:{p['line']}: {p['message']}" for p in done.json["error"]["problems"]]


def test_module_runs_without_a_project_file(declared: ProjectFolder, cli: Cli) -> None:
    ran = cli("-m", "tables", "run", "-o", "json")
    assert (ran.code, ran.json["project"], ran.statuses) == (0, "project", {"totals": "materialized"})
    assert declared.read("data/totals.csv") == "customer,total\nada,8\nbob,4\n"
    assert cli("run", "-m", "tables:lakehouse", "-o", "json").statuses == {"totals": "unchanged"}
    valid = cli("-m", "tables", "validate").out
    assert "1 source, 1 computed" in valid
    assert "note: tables.py was imported, as it is whenever the project is loaded: it declares tables" in valid
    assert len(cli("runs", "-m", "tables", "-o", "json").json["runs"]) == 2
    assert not (declared.path / "lakehouse.yaml").exists()


def test_module_is_found_in_the_project_dir(declared: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(declared.path.parent)
    assert cli("-C", "project", "-m", "tables", "run").code == 0
    assert declared.read("data/totals.csv") == "customer,total\nada,8\nbob,4\n"


def test_tables_of_yaml_and_python_mix(declared: ProjectFolder, cli: Cli) -> None:
    declared.write(
        "lakehouse.yaml",
        """
        name: mixed
        module: transforms
        assets: tables:lakehouse
        tables:
          best:
            columns: {customer: string}
        """,
    )
    declared.write("transforms.py", "def best(totals):\n    return totals.nlargest(1, 'total')[['customer']]\n")
    assert cli("run", "-o", "json").statuses == {"totals": "materialized", "best": "materialized"}
    assert declared.read("data/best.csv") == "customer\nada\n"
    names = [table["name"] for table in cli("ls", "-o", "json").json["tables"]]
    assert names == ["orders", "totals", "best"]


def test_table_declared_in_both_is_reported_with_both_places(declared: ProjectFolder, cli: Cli) -> None:
    declared.write("lakehouse.yaml", "name: twice\nassets: tables\ntables:\n  orders: {kind: source}\n")
    (problem,) = cli("validate", "-o", "json").json["error"]["problems"]
    assert problem["message"] == "table `orders` is declared twice, first at lakehouse.yaml:4:3"
    assert (problem["file"], problem["line"]) == ("tables.py", 4)


def test_settings_of_lakehouse_count_where_the_project_file_has_none(declared: ProjectFolder, cli: Cli) -> None:
    declared.edit("tables.py", "[totals, orders])", "[totals, orders], storages={'default': {'root': 'lake'}})")
    (declared.path / "data").rename(declared.path / "lake")
    declared.write("lakehouse.yaml", "name: settings\nassets: tables\n")
    assert cli("run").code == 0
    assert declared.read("lake/totals.csv").startswith("customer,total\n")
    declared.add("lakehouse.yaml", "storages: {default: {root: other}}\n")
    done = cli("validate")
    assert done.code == 3
    assert "`storages` is declared twice, first at lakehouse.yaml:3:1" in done.err


def test_environments_and_variables(declared: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    environments = '{"prod": {"storages": {"default": {"root": "${LAKE}", "format": "parquet"}}}}'
    declared.edit("tables.py", "assets=[", f"name='shop', environments={environments}, assets=[")
    done = cli("-m", "tables", "-e", "prod", "plan")
    assert (done.code, "environment variable `LAKE` is not set" in done.err) == (3, True)
    monkeypatch.setenv("LAKE", "elsewhere")
    planned = cli("-m", "tables", "-e", "prod", "ls", "-o", "json").json
    assert [table["uri"] for table in planned["tables"]] == ["${LAKE}/orders.parquet", "${LAKE}/totals.parquet"]
    assert cli("-m", "tables", "diff", "--against", "prod").code != 3
    assert cli("-m", "tables", "-e", "prd", "plan").err.startswith("error: there is no environment `prd`")


def test_script_runs_itself(declared: ProjectFolder) -> None:
    declared.add("tables.py", "\nif __name__ == '__main__':\n    print(lakehouse.plan().project)\n")
    declared.add("tables.py", "    print([t.status for t in lakehouse.run().tables])\n")
    for expected in ("project\n['materialized']\n", "project\n['unchanged']\n"):
        done = subprocess.run([sys.executable, declared.path / "tables.py"], capture_output=True, text=True, cwd="/")
        assert (done.stdout, done.stderr) == (expected, "")
    assert declared.read("data/totals.csv") == "customer,total\nada,8\nbob,4\n"


def test_run_at_import_is_refused(declared: ProjectFolder, cli: Cli) -> None:
    declared.add("tables.py", "\nlakehouse.run()\n")
    done = cli("-m", "tables", "plan")
    assert done.code == 3
    assert "cannot run it meanwhile" in done.err
    assert "tables.py:14" in done.err
    # As a script, it is imported by what computes its tables.
    for executor in ("threads", "processes"):
        declared.edit("tables.py", "lakehouse.run(", f"lakehouse.run(executor='{executor}'")
        ran = subprocess.run([sys.executable, "tables.py"], capture_output=True, text=True, cwd=declared.path)
        assert ran.returncode == 1
        assert "UsageError: tables.py:14: the module that declares the project is being imported" in ran.stderr
        assert 'call it under `if __name__ == "__main__":`' in ran.stderr
        declared.edit("tables.py", f"executor='{executor}'", "")


def test_decorated_function_is_called_with_frames(declared: ProjectFolder) -> None:
    code = (
        "import tables, pandas as pd; print(tables.totals(pd.DataFrame({'customer': ['a'], 'amount': [2]})).total[0])"
    )
    done = preloaded.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=declared.path)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_inputs_by_table_name_and_parameter(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/raw/orders.csv", ORDERS)
    declare(
        folder,
        """
        orders = source_table(path=("raw", "orders"), columns={"customer": "string", "amount": "int64"})

        @computed_table(input_assets=[orders], storage_key="default")
        def first(frame):
            return frame.head(1)

        @computed_table(inputs={"frame": first}, params={"n": 2})
        def second(frame, n):
            return pd.concat([frame] * n)

        def plain(frame):
            return frame

        third = computed_table(plain, name="third", inputs=["second"])
        query = computed_table("query", sql="select count(*) as n from third", columns=[Column("n", "int64", False)])
        lakehouse = Lakehouse(assets=[query, third, second])
        """,
    )
    assert set(cli("-m", "tables", "run", "-o", "json").statuses.values()) == {"materialized"}
    assert folder.read("data/query.csv") == "n\n2\n"
    # Inputs that are tables are taken in.
    listed = cli("-m", "tables", "ls", "-o", "json").json["tables"]
    assert {t["name"]: t["inputs"] for t in listed} == {
        "query": ["third"],
        "third": ["second"],
        "second": ["first"],
        "first": ["orders"],
        "orders": [],
    }
    assert {t["name"]: t["path"] for t in listed}["orders"] == "raw/orders"


def test_types_of_pyarrow_are_taken(folder: ProjectFolder, cli: Cli) -> None:
    types = [
        ("timestamp('us', tz='UTC')", "timestamp[us, tz=UTC]"),
        ("float64()", "float64"),
        ("date32()", "date32"),
        ("decimal128(10, 2)", "decimal128(10, 2)"),
        ("dictionary(pa.int32(), pa.string())", "dictionary<string>"),
        ("struct([('a', pa.list_(pa.int64()))])", "struct<a: list<int64>>"),
        ("map_(pa.string(), pa.float32())", "map<string, float32>"),
        ("time32('ms')", "time32[ms]"),
    ]
    columns = "".join(f"Column('c{i}', pa.{text}), " for i, (text, _) in enumerate(types))
    declare(
        folder,
        f"import pyarrow as pa\nlakehouse = Lakehouse([source_table('a', format='parquet', columns=[{columns}])])\n",
    )
    (table,) = cli("-m", "tables", "ls", "-o", "json").json["tables"]
    assert [column["type"] for column in table["columns"]] == [name for _, name in types]


def test_types_that_have_no_name_are_reported_at_their_column(folder: ProjectFolder, cli: Cli) -> None:
    declare(
        folder,
        """
        import pyarrow as pa
        wrong = [
            Column("half", pa.float16()),
            Column("trap", pa.struct([("a: int64, b", pa.int64())])),
            Column("cls", int),
            Column("text", "int46"),
        ]
        lakehouse = Lakehouse([source_table("a", columns=wrong)])
        """,
    )
    assert problems(cli) == [
        "tables.py:5: column `half`: `halffloat` is not a column type",
        "tables.py:6: column `trap`: no column type can name `struct<a: int64, b: int64>`",
        "tables.py:7: the type of column `cls` is the class `int`",
        "tables.py:8: column `text` of table `a`: `int46` is not a column type",
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a = source_table('a', colums={})", "3: unknown key `colums` in table `a`"),
        ("a = source_table('a', kind='computed')", "3: `kind` of table `a` is said by the function"),
        ("a = source_table('a', columns=[])", "3: `columns` of table `a` is empty"),
        ("a = source_table('a', columns='id')", "3: `columns` of table `a` is a map of column names to"),
        ("a = source_table('a', columns=['id'])", "3: `columns` of table `a` has `'id'`, which is no column"),
        (
            "a = source_table('a', columns=[Column('x', 'int64'), Column('x', 'int64')])",
            "3: column `x` is twice in `columns` of table `a`",
        ),
        ("a = source_table('a', columns={'x': Column('y', 'int64')})", "3: column `x` in `columns` of table `a` is a"),
        ("a = source_table('a', description=chr(0xd800))", "3: `description` of table `a` has half of a character"),
        ("a = source_table('a', columns={chr(0xd800): 'int64'})", "3: a name has half of a character"),
        ("a = source_table('a', meta={'n': 10**5000})", "3: `meta` of table `a` holds a number of too many digits"),
        ("a = computed_table(source_table('b'))", "3: a value of `lakehouse_cli.declarations.DeclaredTable`"),
        ("a = source_table('a', retries=1)", "3: `retries` of table `a` is for computed tables, and this is a source"),
        ("a = source_table('a', storage='x')", "3: storage `x` of table `a` is not declared"),
        ("a = source_table('a', path='../a')", "3: `path` of table `a`: `../a` leaves the root of its storage by `..`"),
        ("a = source_table('a-b')", "3: `a-b` is not a table's name"),
        ("a = source_table(path=('a', 3))", "3: `path` has `3`, which is no text"),
        ("a = source_table('a', path=('a', None))", "3: `path` of table `a` has `None`, which is no text"),
        ("a = source_table(path=())", "3: `path` has no parts"),
        ("a = computed_table('a', path=(), sql='select 1 as n')", "3: `path` of table `a` has no parts"),
        ("a = source_table()", "3: a source table has no name"),
        ("a = source_table(7)", "3: the name of a table is `7`"),
        ("a = source_table('a', meta={7: 2})", "3: `meta` of table `a` has the key `7`, which is no text"),
        ("a = source_table('a', meta={'d': pd.Timestamp(0)})", "3: `meta` of table `a` holds a value of `"),
        ("m = {}\nm['m'] = m\na = source_table('a', meta=m)", "5: `meta` of table `a` is nested more than 64 deep"),
        ("a = computed_table('a', columns={'x': 'int64'})", "3: nothing computes table `a`"),
        ("a = computed_table(lambda: 1, name='a')", "3: table `a` is computed by a lambda"),
        ("a = computed_table(lambda: 1)", "3: a table is computed by a lambda"),
        ("a = computed_table(7, name='a')", "3: `7` is no function"),
        ("@computed_table\nclass a:\n    pass", "3: the class `a` is no function"),
        ("a = computed_table(columns={'x': 'int64'})", "3: `computed_table` decorates no function"),
        ("def f():\n @computed_table\n def a(): ...\n return a\na = f()", "4: function `a` of table `a` is"),
        ("@computed_table(inputs=[7])\ndef a(b): ...", "3: `inputs` of table `a` has `7`, which is no table"),
        ("@computed_table(inputs=['c'])\ndef a(b): ...", "3: input `c` of table `a` is not a table"),
        ("@computed_table(inputs={'b'})\ndef a(b): ...", "3: `inputs` of table `a` is a set, which has no order"),
        ("@computed_table('b')\ndef a(): ...", "3: `computed_table` decorates the function `a`, and is given `'b'`"),
        ("@computed_table([])\ndef a(): ...", "3: `computed_table` decorates the function `a`, and is given a"),
        ("b = source_table('b')\n@computed_table(b)\ndef a(): ...", "4: `computed_table` decorates the function `a`"),
        ("a = computed_table('a', sql='select * from b')", "3: the query of `a` reads `b`, which is not a table"),
        ("@computed_table(sql='select 1 as n')\ndef a(): ...", "3: table `a` has both a function and `sql`"),
        ("@computed_table\ndef a(b): ...", "4: parameter `b` of `a` matches no table"),
        ("@computed_table\n@computed_table\ndef a(): ...", "3: function `a` is declared as a table twice, first at"),
        ("@computed_table\ndef a(): ...\nb = a\ndef a(c): ...\nassets = [b]", "3: `a` in module `tables` is no longer"),
        ("def f(): ...\n@computed_table(inputs=[f])\ndef a(b): ...", "4: `inputs` of table `a` has the function `f`"),
        ("a = computed_table(len, name='a')", "3: function `len` of table `a` is one of Python's own, of module"),
        ("@computed_table(input_deps=[], inputs=[])\ndef a(): ...", "3: `inputs` of table `a` says what `input_deps`"),
        ("a = 7", "4: `7` in `assets` is no table"),
        ("assets = 'a'", "4: `assets` is `'a'`"),
        ("assets = [source_table('a'), source_table('a')]", "3: table `a` is declared twice, first at tables.py:3"),
    ],
)  # fmt: skip
def test_misuse_is_reported_with_its_place(folder: ProjectFolder, cli: Cli, code: str, expected: str) -> None:
    assets = "assets" if "assets = " in code else "[a]"
    declare(folder, f"{code}\nlakehouse = Lakehouse({assets})\n")
    found = problems(cli)
    assert any(each.startswith(f"tables.py:{expected}") for each in found), found


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ("storage={}", "unknown key `storage` in the `Lakehouse`"),
        ("tables={}", "a `Lakehouse` has no `tables`"),
        ("storages={'default': {'rot': 'x'}}", "unknown key `rot` in storage `default`"),
        ("execution={'workers': 0}", "`workers` of `execution` is a whole number from 1, not `0`"),
        ("storages={'default': {'root': object()}}", "`storages` holds a value of `object`"),
    ],
)
def test_wrong_settings_are_reported(declared: ProjectFolder, cli: Cli, keywords: str, expected: str) -> None:
    declared.edit("tables.py", "[totals, orders])", f"[totals, orders], {keywords})")
    assert problems(cli) == [f"tables.py:12: {expected}"]


def test_credentials_of_a_cluster_are_not_shown(declared: ProjectFolder, cli: Cli) -> None:
    execution = "{'executor': 'dask', 'options': {'address': 'tls://t0k3n@host:1'}}"
    declared.edit("tables.py", "(assets=[totals, orders])", f"(execution={execution}, assets=[totals, orders])")
    done = cli("-m", "tables", "plan")
    assert done.code == 3
    assert "`address` of `options` of executor dask has more in it than a host and a port" in done.err
    assert "t0k3n" not in done.err


def test_module_that_declares_no_or_several_projects(declared: ProjectFolder, cli: Cli) -> None:
    declared.add("tables.py", "other = Lakehouse([orders])\n")
    done = cli("-m", "tables", "plan")
    assert (done.code, "name one of them: `tables:lakehouse` or `tables:other`" in done.err) == (3, True)
    assert cli("-m", "tables:other", "plan").code == 0
    assert "did you mean `other`?" in cli("-m", "tables:othr", "plan").err
    assert "`orders` in module `tables` is a `DeclaredTable`" in cli("-m", "tables:orders", "plan").err
    assert "did you mean `tables`?" in cli("-m", "tabels", "plan").err
    declared.edit("tables.py", "other = Lakehouse([orders])", "")
    declared.edit("tables.py", "= Lakehouse(", "= dict(")
    assert "add `lakehouse = Lakehouse(assets=[…])` to it" in cli("-m", "tables", "plan").err


def test_import_error_shows_the_user_s_frames_only(declared: ProjectFolder, cli: Cli) -> None:
    declared.write("helper.py", "def f():\n    raise ValueError('no such shop')\n")
    declared.edit("tables.py", "orders = ", "import helper\nhelper.f()\norders = ")
    declared.write("lakehouse.yaml", "name: broken\nassets: tables\ntables:\n  other: {function: 'transforms:x'}\n")
    for arguments in (("-m", "tables"), ()):
        done = cli(*arguments, "plan")
        assert done.code == 3
        assert done.err.startswith(
            "error: module `tables` cannot be imported: ValueError: no such shop\n  helper.py:2\n"
        )
        assert "reached from tables.py:5" in " ".join(done.err.split())
        assert "lakehouse_cli" not in done.err
        assert "1 problem;" in done.err
    declared.write("tables.py", "import sys\nsys.exit(3)\n")
    assert "SystemExit: 3" in cli("plan").err
    declared.write("tables.py", "x = (\n")
    assert "SyntaxError" in cli("plan").err


def test_what_the_module_prints_is_no_result(declared: ProjectFolder, cli: Cli) -> None:
    declared.add("tables.py", "print('hello')\n")
    done = cli("-m", "tables", "ls", "-o", "json")
    assert len(done.json["tables"]) == 2
    assert done.err == "hello\n"


def test_edited_declaration_is_seen_in_one_process(declared: ProjectFolder, cli: Cli) -> None:
    assert cli("-m", "tables", "run").code == 0
    declared.edit("tables.py", '"total": "int64"', '"total": "float64"')
    (_, totals) = cli("-m", "tables", "plan", "-o", "json").json["tables"]
    assert [reason["code"] for reason in totals["reasons"]] == ["contract_changed"]


def test_kept_tables_do_not_hide_those_of_python(declared: ProjectFolder, cli: Cli) -> None:
    declared.write("lakehouse.yaml", "name: kept\ninclude: [more.yaml]\n")
    declared.write(
        "more.yaml", "tables:\n  other:\n    kind: source\n    path: orders\n    columns:\n      customer: string\n"
    )
    for _ in range(2):
        assert len(cli("ls", "-o", "json").json["tables"]) == 1
        assert cli("run").code == 0
    declared.add("lakehouse.yaml", "assets: tables\n")
    assert len(cli("ls", "-o", "json").json["tables"]) == 3


@pytest.mark.parametrize("name", ["tables.py", "./tables", "tables.py:lakehouse", "a b", "..tables", "tables."])
def test_module_that_is_no_name_is_refused(declared: ProjectFolder, cli: Cli, name: str) -> None:
    done = cli("-m", name, "plan")
    assert (done.code, "is not a module's name" in done.err) == (3, True)
    assert ("write `tables" in done.err) == ("tables" in name)


def test_problems_stand_at_the_call(folder: ProjectFolder, cli: Cli) -> None:
    declare(
        folder,
        """
        from shared import amount

        if True:
            è = "è", source_table("orders", columns=[Column("customer", "string"), amount, Column("day", "dat")],
                                  path="a/../b")

        @computed_table(
            tags=7,
        )
        def totals(orders): ...

        lakehouse = Lakehouse(assets=[è[1], totals])
        """,
        shared="from lakehouse_cli import Column\n\namount = Column('amount', 'int46')\n",
    )
    found = cli("-m", "tables", "validate", "-o", "json").json["error"]["problems"]
    assert [(p["file"], p["line"], p["column"], p["message"].partition(" of ")[0]) for p in found] == [
        ("shared.py", 3, 10, "column `amount`"),
        ("tables.py", 6, 14, "`path`"),
        ("tables.py", 6, 84, "column `day`"),
        ("tables.py", 9, 2, "`tags`"),
    ]
    shown = cli("-m", "tables", "validate").err
    assert "9 | @computed_table(\n  |  ^^^^^^^^^^^^^^^  write `[7]`" in shown


def test_contract_that_is_broken_names_the_column(declared: ProjectFolder, cli: Cli) -> None:
    declared.edit(
        "tables.py",
        'columns={"customer": "string", "total": "int64"}, key=["customer"]',
        'columns=[Column("no", "int64")]',
    )
    (table,) = cli("-m", "tables", "run", "-o", "json").json["tables"]
    assert (table["status"], table["error"]["location"]["file"], table["error"]["location"]["line"]) == (
        "failed",
        "tables.py",
        7,
    )


def test_package_is_run_as_a_module(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/orders.csv", ORDERS)
    folder.write("pkg/tables.py", TABLES)
    folder.add("pkg/tables.py", "\nif __name__ == '__main__':\n    print(lakehouse.run().status)\n")
    done = subprocess.run([sys.executable, "-m", "pkg.tables"], capture_output=True, text=True, cwd=folder.path)
    assert (done.stdout, done.stderr) == ("success\n", "")
    assert cli("-m", "pkg.tables", "run", "-o", "json").statuses == {"totals": "unchanged"}
    done = preloaded.run(
        [sys.executable, "-c", "import pkg.tables as t; print(t.lakehouse.run().status)"],
        capture_output=True,
        text=True,
        cwd=folder.path,
    )
    assert (done.stdout, done.stderr) == ("success\n", "")


def test_functions_of_a_notebook_are_refused(folder: ProjectFolder) -> None:
    code = f"""
exec(compile({textwrap.dedent(TABLES)!r}, "<cell 1>", "exec"), globals())
try:
    lakehouse.plan()
except Exception as error:
    print(error)
"""
    done = preloaded.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder.path)
    assert done.stdout.startswith("<cell 1>:8: function `totals` of table `totals` is in no module"), done


def test_worker_processes_find_the_functions(declared: ProjectFolder, cli: Cli) -> None:
    assert cli("-m", "tables", "run", "--executor", "processes", "-o", "json").statuses == {"totals": "materialized"}


def test_endless_import_is_interrupted(declared: ProjectFolder) -> None:
    declared.write("tables.py", "import helper\n")
    declared.write("helper.py", "print('here', flush=True)\ndef f():\n    while True: pass\nf()\n")
    command = [sys.executable, "-m", "lakehouse_cli", "-m", "tables", "plan"]
    with Preloaded(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        told = re.sub(r":[1-4]$", ":N", process.stderr.read(), flags=re.MULTILINE)
        assert told == "module `tables` was being imported, at helper.py:N\ninterrupted\n"
        assert process.wait() == 130


def test_functions_of_another_module_stay_up_to_date(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/orders.csv", ORDERS)
    folder.declare(
        """
        orders: {kind: source, columns: {customer: string, amount: int64}}
        totals: {columns: {customer: string, total: int64}, params: {at_least: 1.5e-3}}
        """,
        """
        def totals(orders, at_least):
            kept = orders[orders.amount > at_least]
            return kept.groupby("customer", as_index=False).agg(total=("amount", "sum"))
        """,
    )
    assert cli("run").code == 0
    (folder.path / "lakehouse.yaml").unlink()
    declare(
        folder,
        """
        from transforms import totals as compute

        orders = source_table("orders", columns={"customer": "string", "amount": "int64"})
        columns = {"customer": "string", "total": "int64"}
        totals = computed_table(compute, columns=columns, params={"at_least": 0.0015})
        lakehouse = Lakehouse([totals, orders], name="declared")
        """,
    )
    assert cli("-m", "tables", "run", "-o", "json").statuses == {"totals": "unchanged"}


@pytest.mark.parametrize(
    ("imported", "decorator"),
    [
        ("from lakehouse_cli import computed_table", "computed_table"),
        ("from lakehouse_cli import computed_table as table", "table(columns={'customer': 'string'}, tags=['a'])"),
        ("import lakehouse_cli", "lakehouse_cli.computed_table(key='customer')"),
        ("import lakehouse_cli as lh", "lh.computed_table()"),
        ("from lakehouse_cli import *", "computed_table(tags=['a'])"),
    ],
)
def test_decorator_is_no_code_of_the_function(folder: ProjectFolder, cli: Cli, imported: str, decorator: str) -> None:
    folder.write("data/orders.csv", ORDERS)
    folder.declare("orders: {kind: source}\nfirst: {}", "def first(orders):\n    return orders.head(1)\n")
    assert cli("run").code == 0
    folder.write("transforms.py", f"{imported}\n\n@{decorator}\ndef first(orders):\n    return orders.head(1)\n")
    (_, first) = cli("plan", "-o", "json").json["tables"]
    assert first["action"] == "skip", first


def test_list_of_tables_is_no_code(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/orders.csv", ORDERS)
    code = """
        from lakehouse_cli import *
        orders = source_table("orders")
        @computed_table
        def first(orders):
            return orders.head(1)
        lakehouse = Lakehouse(assets=[first])
        """
    folder.write("tables.py", code)
    assert cli("-m", "tables", "run").code == 0
    folder.edit("tables.py", "[first]", "[first, orders]")
    assert cli("-m", "tables", "run", "-o", "json").statuses == {"first": "unchanged"}


def test_project_in_a_renamed_folder_can_be_named(declared: ProjectFolder, cli: Cli) -> None:
    assert cli("-m", "tables", "run").code == 0
    declared.edit("tables.py", "assets=[", "name='other', assets=[")
    declared.edit("tables.py", "sum", "max")
    done = cli("-m", "tables", "run")
    assert done.code == 1
    assert "name it: `Lakehouse(name='project', …)`; else give the table another `path=…` or its storage" in done.err
    declared.edit("tables.py", "name='other'", "name='project'")
    assert cli("-m", "tables", "run").code == 0


@pytest.mark.parametrize(
    "code",
    [
        "from lakehouse_cli import computed_table\ndef computed_table(f):\n    return lambda orders: orders.head(2)\n",
        "from lakehouse_cli import computed_table\nif True:\n    computed_table = lambda f: (lambda orders: 2)\n",
        "def computed_table(f):\n    return lambda orders: orders.head(2)\n",
    ],
)
def test_decorator_that_may_be_another_is_code(folder: ProjectFolder, cli: Cli, code: str) -> None:
    folder.write("data/orders.csv", ORDERS)
    function = "def first(orders):\n    return orders.head(1)\n"
    folder.declare("orders: {kind: source}\nfirst: {inputs: [orders]}", function)
    assert cli("run").code == 0
    folder.write("transforms.py", f"{code}@computed_table\n{function}")
    (_, first) = cli("plan", "-o", "json").json["tables"]
    assert [reason["code"] for reason in first["reasons"]] == ["function_changed"]


def test_tables_of_a_comprehension_are_no_code(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/orders.csv", ORDERS)
    code = """
        def first(frame, count):
            return frame.head(count)

        orders = source_table("orders")
        tables = [computed_table(first, name=f"first_{n}", inputs=[orders], params={"count": n}) for n in (1, 2)]
        lakehouse = Lakehouse(tables)
        """
    declare(folder, code)
    assert cli("-m", "tables", "run", "-o", "json").statuses == {"first_1": "materialized", "first_2": "materialized"}
    declare(folder, code.replace("(1, 2)", "(1, 2, 3)"))
    statuses = {"first_1": "unchanged", "first_2": "unchanged", "first_3": "materialized"}
    assert cli("-m", "tables", "run", "-o", "json").statuses == statuses


def test_project_in_memory_runs_again(declared: ProjectFolder) -> None:
    code = "import tables\nfor _ in range(2):\n    print(tables.lakehouse.run()['totals'].status)\nprint(tables.totals)"
    done = preloaded.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=declared.path)
    assert done.stdout.startswith("materialized\nunchanged\n<function totals"), done


def test_schema_knows_assets() -> None:
    from jsonschema import Draft7Validator

    from lakehouse_cli.config.schema import json_schema

    validator = Draft7Validator(json_schema())
    assert validator.is_valid({"name": "a", "assets": "tables:lakehouse"})
    assert not validator.is_valid({"name": "a", "assets": "tables.lakehouse:"})
    assert not validator.is_valid({"name": "a"})


def test_missing_project_file_names_the_option(folder: ProjectFolder, cli: Cli) -> None:
    assert "`-m MODULE`" in cli("plan").err


def test_input_by_parameter_is_taken_from_the_module(declared: ProjectFolder, cli: Cli) -> None:
    declared.edit("tables.py", "assets=[totals, orders]", "assets=[totals]")
    assert cli("-m", "tables", "run", "-o", "json").statuses == {"totals": "materialized"}
    declared.edit("tables.py", "orders = source_table", "others = source_table")
    assert problems(cli) == ["tables.py:8: parameter `orders` of `totals` matches no table"]
    declared.edit("tables.py", 'others = source_table("orders"', 'orders = source_table("others"')
    assert problems(cli) == ["tables.py:8: parameter `orders` of `totals` matches no table"]


def test_problems_of_columns_do_not_hide_each_other(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "tables.py",
        """
        from lakehouse_cli import Column, Lakehouse, source_table
        a = source_table("a", columns={"x": int, 3: "string", "y": "in64"})
        b = source_table("b", columns=["x", Column("y", "in64")])
        c = source_table("c", columns={"x": {3: 4, "type": "in64"}})
        lakehouse = Lakehouse(assets=[a, b, c])
        """,
    )
    problems = cli("-m", "tables", "validate", "-o", "json").json["error"]["problems"]
    assert [each["message"] for each in problems] == [
        "the type of column `x` is the class `int`",
        "`columns` of table `a` has the key `3`, which is no text",
        "column `y` of table `a`: `in64` is not a column type",
        "`columns` of table `b` has `'x'`, which is no column",
        "column `y` of table `b`: `in64` is not a column type",
        "column `x` has the key `3`, which is no text",
        "column `x` of table `c`: `in64` is not a column type",
    ]


def test_source_over_a_function_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "tables.py",
        """
        from lakehouse_cli import Lakehouse, source_asset, source_table
        @source_asset
        def a(): ...
        @source_asset(format="text")
        def b(): ...
        @source_table("c")
        def c(): ...
        lakehouse = Lakehouse(assets=[a, b, c])
        """,
    )
    problems = cli("-m", "tables", "validate", "-o", "json").json["error"]["problems"]
    assert [each["message"] for each in problems] == [
        f"a source decorates the function `{name}`, and is computed by none" for name in "abc"
    ]
    assert problems[0]["hint"].startswith('declare it by a call, `a = source_table("a", …)`')


def test_hints_on_partitions_are_python(folder: ProjectFolder, cli: Cli) -> None:
    declare(
        folder,
        """
        raw = source_table("raw", path="raw/{day:%Y-%m-%d}", columns={"n": "int64"})
        other = source_table("other", path="raw/{region}_{day}", columns={"n": "int64"})


        @computed_table(partitions=["day", "shop"], inputs=[raw, other], columns={"n": "int64"})
        def a(raw, other):
            return raw


        @computed_table(partitions=["file"], inputs=[raw, other], columns={"n": "int64"})
        def b(raw, other):
            return raw


        @computed_table(partitions=["day", "region"], inputs=[raw, {"table": other}], columns={"n": "int64"})
        def c(raw, other):
            return raw


        lakehouse = Lakehouse(assets=[a, b])
        """,
    )
    done = cli("-m", "tables", "validate", "-o", "json")
    hints = " ".join(str(each["hint"]) for each in done.json["error"]["problems"])
    assert "`partitions=['file']`" in hints
    assert "`dimensions=…`" in hints
    assert not re.search("`[a-z_]+: ", hints)
