"""`lakehouse diff` computes as a run does: for every way in which a table may fail, both report the same."""

from __future__ import annotations

import os
from typing import Any

import pytest

from lakehouse_cli import Project
from lakehouse_cli.executors.forks import is_kept
from tests.cli.running import until
from tests.conftest import Cli, ProjectFolder

PROJECT = """
name: failing
module: transforms
execution: {executor: EXECUTOR, workers: 2}
storages: {default: {root: data}, raw: {root: raw}, base: {type: sqlite, root: lake.db}}
tables:
  src: {kind: source, storage: raw, columns: {n: {type: int64, nullable: false}}}
  t: {columns: {n: {type: int64, nullable: false}}, OPTIONS}
  down: {columns: {n: int64}}
  beside: {columns: {n: int64}}
"""
TRANSFORMS = """
import os, pathlib, signal, sys, time
from os import _exit
import pyarrow as pa
import pyarrow.compute as pc

def t(src: pa.Table):
    BODY
    return src

def down(t: pa.Table):
    return t

def beside(src: pa.Table):
    return with_n(src, pc.add(src["n"], 1))

def with_n(src, values):
    return src.set_column(0, "n", values)
"""
#: Body of the transform, options of its table.
FAILURES = {
    "raises": ("raise ValueError('no')", ""),
    "returns no table": ("return 1", ""),
    "returns another type": ("return with_n(src, pa.array(['x']))", ""),
    "breaks the contract": ("return with_n(src, pa.nulls(1))", ""),
    "lacks a column": ("return src.rename_columns(['m'])", ""),
    "exits by exception": ("sys.exit(3)", ""),
    "times out": ("time.sleep(5)", "timeout: 0.3"),
    "fails at each attempt": ("raise OSError('busy')", "retries: 1, retry_delay: 0.01"),
    "takes what cannot be": ("return src.select(object())", ""),
    "returns what the storage cannot hold": (
        "return src.append_column('e', pa.array([{'a': 1}]))",
        "extra_columns: keep, storage: base",
    ),
}
EXITS = {
    "exits": ("os._exit(3)", ""),
    "is killed": ("os.kill(os.getpid(), signal.SIGKILL)", ""),
    "exits at each attempt": ("os._exit(3)", "retries: 1, retry_delay: 0.01"),
}
CASES = [*((name, "threads") for name in FAILURES), *((name, "processes") for name in EXITS)]


def write(folder: ProjectFolder, body: str = "", options: str = "", executor: str = "threads") -> None:
    yaml = PROJECT.replace("EXECUTOR", executor).replace("OPTIONS", options)
    folder.write("lakehouse.yaml", yaml)
    folder.write("transforms.py", TRANSFORMS.replace("BODY", body or "pass"))


@pytest.fixture
def stored(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """The project, materialized, with another source since then."""
    folder.write("raw/src.csv", "n\n1\n")
    for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)
    write(folder)
    assert Project.load().run().status == "success"
    folder.write("raw/src.csv", "n\n2\n")
    return folder


def reported(cli: Cli, command: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and by table how it ended and why, leaving out what is true of stored data."""
    done = cli(command, "-o", "json")
    document = done.json
    if "error" in document:
        return done.code, {"": document["error"]}
    errors = {table["name"]: table["error"] for table in document["tables"] if table["error"] is not None}
    for error in errors.values():
        error.pop("note", None)
        error.pop("traceback", None)
    return done.code, errors


def agree(folder: ProjectFolder, cli: Cli, *failed: str) -> dict[str, Any]:
    """Both fail the same tables, for the same reasons."""
    before = {path: path.read_bytes() for path in sorted((folder.path / "data").rglob("*.csv"))}
    code, of_diff = reported(cli, "diff")
    assert {path: path.read_bytes() for path in before} == before, "nothing is published"
    ran, of_run = reported(cli, "run")
    assert (code, ran) == (1, 1)
    assert of_diff == of_run
    assert set(of_run) == set(failed)
    return of_run


@pytest.mark.parametrize(("failure", "executor"), CASES)
def test_what_a_transform_does(stored: ProjectFolder, cli: Cli, failure: str, executor: str) -> None:
    body, options = (FAILURES | EXITS)[failure]
    write(stored, body, options, executor)
    errors = agree(stored, cli, "t", "down")
    assert errors["down"]["message"] == "`t` failed"
    if failure in EXITS:
        assert "the process that computed `t`" in errors["t"]["message"]


def test_what_transforms_do_in_processes(stored: ProjectFolder, cli: Cli) -> None:
    """All at once: processes take longer to start than what they do there."""
    names = {f"t{number}": failure for number, failure in enumerate(FAILURES.values())}
    head, _, rest = TRANSFORMS.partition("def t(src: pa.Table):\n    BODY\n    return src\n")
    functions = "".join(f"def {name}(src: pa.Table):\n    BODY {name}\n    return src\n\n" for name in names)
    tables = PROJECT.replace("EXECUTOR", "processes").partition("  t: ")[0]
    for name, (_, options) in names.items():
        tables += f"  {name}: {{columns: {{n: {{type: int64, nullable: false}}}}, {options}}}\n"
        tables += f"  down_{name}: {{columns: {{n: int64}}, inputs: {{t: {name}}}, function: down}}\n"
    stored.write("lakehouse.yaml", tables)
    for name, (body, _) in names.items():
        functions = functions.replace(f"BODY {name}\n", f"if src['n'][0].as_py() == 2: {body}\n")
    stored.write("transforms.py", head + functions + rest)
    stored.write("raw/src.csv", "n\n1\n")
    assert cli("run", "--executor", "threads").code == 0
    stored.write("raw/src.csv", "n\n2\n")
    errors = agree(stored, cli, *names, *(f"down_{name}" for name in names))
    assert {errors[f"down_{name}"]["message"] == f"`{name}` failed" for name in names} == {True}


@pytest.mark.parametrize(
    ("executor", "body", "raised"),
    [
        ("threads", "os._exit(0)", "SystemExit: 0"),
        ("serial", "_exit(status=0)", "SystemExit: 0"),
        ("threads", "os.execlp('true', 'true')", "SystemExit: os.execv would replace the process of the run"),
        ("serial", "raise ValueError(os.waitpid(os.fork() or os._exit(7), 0)[1] >> 8)", "ValueError: 7"),
    ],
)
def test_the_process_of_the_run_is_not_ended(
    stored: ProjectFolder, cli: Cli, executor: str, body: str, raised: str
) -> None:
    until(lambda: not is_kept(), "no thread of an earlier test is at work")
    before = os._exit, os.execv
    write(stored, body, executor=executor)
    error = agree(stored, cli, "t", "down")["t"]
    assert (error["message"], error["location"]["line"]) == (f"`t` raised {raised}", 7)
    assert (os._exit, os.execv) == before


@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.parametrize("source", [None, "m\n1\n", "n\nx\n", 'n\n""\n'], ids=["missing", "column", "type", "null"])
def test_a_source_that_cannot_be_read(stored: ProjectFolder, cli: Cli, source: str | None, executor: str) -> None:
    write(stored, executor=executor)
    if source is None:
        (stored.path / "raw/src.csv").unlink()
    else:
        stored.write("raw/src.csv", source)
    errors = agree(stored, cli, "src", "t", "down", "beside")
    assert errors["beside"]["message"] == "`src` failed"


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_module_that_cannot_be_imported(stored: ProjectFolder, cli: Cli, executor: str) -> None:
    write(stored, executor=executor)
    stored.add("transforms.py", "\nraise RuntimeError('not today')\n")
    assert "not today" in agree(stored, cli, "t", "down", "beside")["t"]["message"]


def test_a_module_that_cannot_be_read(stored: ProjectFolder, cli: Cli) -> None:
    stored.write("transforms.py", "def t(src:\n")
    code, of_diff = reported(cli, "diff")
    assert (code, of_diff) == reported(cli, "run")
    assert code == 3


def test_what_may_not_be_replaced(stored: ProjectFolder, cli: Cli) -> None:
    (stored.path / "data/.lakehouse/manifests/t.json").unlink()
    errors = agree(stored, cli, "t", "down")
    assert "no manifest" in errors["t"]["message"]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_another_attempt_is_made(stored: ProjectFolder, cli: Cli, executor: str) -> None:
    body = "if not pathlib.Path('tried').exists(): pathlib.Path('tried').touch(); "
    body += "os._exit(3)" if executor == "processes" else "raise ValueError"
    write(stored, body, "retries: 1, retry_delay: 0.01", executor)
    done = cli("diff")
    assert (done.code, " failed " in done.out) == (1, False), "different, none failed"
    line = next(line for line in done.err.splitlines() if "attempt 1 failed" in line)
    assert line.endswith("; next in 0.01 s")
    (stored.path / "tried").unlink()
    assert line in cli("run").out.splitlines()


def test_what_is_not_published_goes_on_to_other_processes(stored: ProjectFolder, cli: Cli) -> None:
    write(stored, "src = with_n(src, pc.multiply(src['n'], 10))", executor="processes")
    tables = {table["name"]: table for table in cli("diff", "-o", "json").json["tables"]}
    assert tables["down"]["examples"]["added"] == [{"n": 20}]
    assert tables["down"]["examples"]["removed"] == [{"n": 1}]


#: Storages, and of each what it cannot hold: the transform's expression, and the columns that are declared.
UNSTORABLE = {
    "latin": ("{root: d, options: {encoding: latin-1}}", {"text": ("{'a': ['x', 'λ']}", "{a: string}")}),
    "bare": (
        "{root: d, options: {quote_char: none, date_format: '%d/%m/%y', timestamp_format: '%Y-%m-%d'}}",
        {
            "text": ("{'a': ['x', 'a,b']}", "{a: string}"),
            "date": ("{'a': [dt.date(1850, 2, 3)]}", "{a: date32}"),
            "time": ("{'a': [dt.datetime(2026, 1, 1, 10, 0, 1)]}", "{a: 'timestamp[s]'}"),
        },
    ),
    "csv": ("{root: d}", {"none": ("{}", "")}),
    "parquet": ("{root: d, format: parquet}", {"none": ("{}", "")}),
    "jsonl": ("{root: d, format: jsonl}", {"none": ("{}", "")}),
    "lite": (
        "{type: sqlite, root: d/lite.db}",
        {"none": ("{}", ""), "case": ("{'x': [1], 'X': [1]}", ""), "nan": ("{'a': [1.5, math.nan]}", "{a: float64}")},
    ),
    "duck": ("{type: duckdb, root: d/duck.db}", {"none": ("{}", ""), "case": ("{'x': [1], 'X': [1]}", "")}),
    "delta": ("{type: delta, root: d}", {"none": ("{}", ""), "case": ("{'x': [1], 'X': [1]}", "")}),
}


def test_what_writing_finds(folder: ProjectFolder, cli: Cli) -> None:
    storages = ", ".join(f"{name}: {storage}" for name, (storage, _) in UNSTORABLE.items())
    yaml, code = f"name: n\nmodule: t\nstorages: {{{storages}}}\ntables:\n", ["import datetime as dt, math"]
    code += ["from collections.abc import Iterator", "import pyarrow as pa"]
    tables = [(f"{name}_{what}", name, *each) for name, (_, of) in UNSTORABLE.items() for what, each in of.items()]
    for table, storage, values, columns in tables:
        for name in (table, f"{table}_streamed"):
            declared = f", columns: {columns}" if columns else ""
            yaml += f"  {name}: {{storage: {storage}, inputs: []{declared}}}\n"
        code.append(f"def {table}():\n    return pa.table({values})")
        code.append(f"def {table}_streamed() -> Iterator[pa.RecordBatch]:\n    yield pa.record_batch({values})")
    folder.write("lakehouse.yaml", yaml)
    folder.write("t.py", "\n".join(code) + "\n")
    (_, of_diff), made = reported(cli, "diff"), sorted(folder.path.rglob("d/**/*"))
    assert reported(cli, "run") == (1, of_diff)
    assert not made, "nothing is stored"
    assert {name.removesuffix("_streamed") for name in of_diff} == {table for table, *_ in tables}
    assert of_diff["bare_date"]["message"] == of_diff["bare_date_streamed"]["message"]
    assert "1850-02-03" in of_diff["bare_date"]["message"]
    assert of_diff["duck_none"]["message"] == "DuckDB has no tables without columns"


def test_long_messages_are_cut(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare("{wide: {}, high: {}}", "def wide():\n    raise ValueError('x' * 3_000)\n\ndef high():\n    RAISE\n")
    raising = 'raise ValueError("\\n".join(f"line {n}" for n in range(300)))'
    folder.write("transforms.py", folder.read("transforms.py").replace("RAISE", raising))
    for command in ("run", "diff"):
        done = cli(command)
        rows = {line.split()[1]: line for line in done.out.splitlines() if line.startswith("✗")}
        assert rows["wide"].endswith("xxx…")
        assert len(rows["wide"]) < 300
        assert rows["high"].endswith("`high` raised ValueError: line 0")
        assert "xxx… (2,026 more characters; `-v` shows all) (transforms.py:2)\n" in done.err
        assert "\n  line 9\n  … (2,520 more characters; `-v` shows all)\n  transforms.py:5 in high\n" in done.err
        assert "  line 10" not in done.err
        verbose = cli(command, "-v").err
        assert "x" * 3_000 in verbose
        assert "  line 299\n" in verbose
        messages = {table["name"]: table["error"]["message"] for table in cli(command, "-o", "json").json["tables"]}
        assert messages["wide"] == "`wide` raised ValueError: " + "x" * 3_000


CHECKED = """
name: failing
module: transforms
execution: {executor: EXECUTOR, workers: 2}
storages: {default: {root: data}, raw: {root: raw}, base: {type: sqlite, root: lake.db}}
tables:
  src: {kind: source, storage: raw, columns: {n: {type: int64, SOURCE}}}
  child:
    inputs: {t: src}
    function: down
    columns: {n: int64}
    checks: [{row_count: {equals: t}}, {foreign_key: {columns: n, references: t.n}}, {unique: n}]
  t: {columns: {n: {type: int64, checks: [{max: 9}, {max: 1, severity: warn}]}}}
  down: {columns: {n: int64}}
  beside: {columns: {n: {type: int64, BESIDE}}}
  same:
    inputs: []
    function: fixed
    columns: {n: {type: int64, SAME}}
    checks: [{foreign_key: {columns: n, references: parent.n}}]
  parent: {inputs: {t: src}, function: down, columns: {n: int64}}
  base:
    {storage: base, engine: storage, inputs: [src_b], sql: "select n from src_b", columns: {n: {type: int64, max: 9}}}
  src_b: {storage: base, inputs: {t: src}, function: down, columns: {n: int64}}
"""
CHECKED_CODE = """
def fixed() -> pa.Table:
    return pa.table({"n": [1]})
"""


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_checks_fail_the_same(folder: ProjectFolder, cli: Cli, executor: str) -> None:
    def declare(**parts: str) -> None:
        parts = {"SOURCE": "max: 99", "BESIDE": "max: 99", "SAME": "max: 99", "EXECUTOR": executor} | parts
        text = CHECKED
        for name, value in parts.items():
            text = text.replace(name, value)
        folder.write("lakehouse.yaml", text)

    folder.write("transforms.py", TRANSFORMS.replace("BODY", "pass") + CHECKED_CODE)
    folder.write("raw/src.csv", "n\n1\n")
    declare()
    assert cli("run").code == 0
    # A result, one in a database, one that looks at what is computed and not stored, and what is stored already.
    folder.write("raw/src.csv", "n\n50\n")
    errors = agree(folder, cli, "t", "down", "base", "same")
    assert errors["same"]["message"] == "check `foreign_key`: 1 value of `n` is not in `parent.n`"
    assert errors["t"]["message"] == "check `n_max`: 1 value of `n` is above 9"
    # Stored data by other rules, and a source.
    folder.write("raw/src.csv", "n\n1\n")
    assert cli("run").code == 0
    declare(SAME="max: 0", BESIDE="max: 1")
    assert set(agree(folder, cli, "same", "beside")) == {"same", "beside"}
    declare(SOURCE="max: 0")
    folder.write("raw/src.csv", "n\n2\n")
    assert (
        "n_max"
        in agree(folder, cli, "src", "t", "down", "beside", "child", "parent", "base", "src_b")["src"]["message"]
    )
