"""Files of a project that are damaged, endless or no files at all: words and no traceback, and no waiting."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_cli.config import yaml_tree
from lakehouse_cli.storage.local import stat_cache
from tests.conftest import Cli, ProjectFolder

DAMAGED = {
    "nested": b"[" * 100_000,
    "nested objects": b'{"a":' * 4_000,
    "empty": b"",
    "binary": bytes(range(256)),
    "not UTF-8": b'{"key": "\xff"}',
    "null": b"null",
    "a list": b"[1, 2]",
    "a text": b'"key"',
    "NaN": b"NaN",
    "infinity": b"1e999",
    "numbers": b'{"key": 1e999, "pid": Infinity, "host": NaN, "since": 1e400, "format": 1e999, "stamp": [[1e999]]}',
    "a huge number": b"9" * 5_000,
    "half a file": b'{"key": "x", "packages": {',
    "wrong types": b'{"key": [], "packages": 5, "modules": [], "pid": {}, "since": [], "format": "1", "event": 5}',
}
COMMANDS = (
    ("validate",),
    ("plan",),
    ("run",),
    ("ls",),
    ("show", "totals"),
    ("runs",),
    ("runs", "show", "last"),
    ("clean",),
)


def is_reported_in_words(cli: Cli, *commands: tuple[str, ...]) -> None:
    for command in commands:
        done = cli(*command)
        assert done.code in (0, 1, 2, 3), (command, done)
        assert "Traceback" not in done.out + done.err, (command, done)


@pytest.mark.parametrize(
    "name", [".lakehouse/cache/code.json", ".lakehouse/locks/default.lock", "data/.lakehouse/manifests/totals.json"]
)
def test_damaged_files_of_ours(project: ProjectFolder, cli: Cli, name: str) -> None:
    file = project.path / name
    for kind, content in DAMAGED.items():
        assert cli("run").code == 0, kind
        assert "up to date" in cli("plan").out, kind
        file.write_bytes(content)
        is_reported_in_words(cli, ("validate",), ("plan",), ("show", "totals"))
        file.write_bytes(content)
        is_reported_in_words(cli, ("run",), ("clean",))


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_history(project: ProjectFolder, cli: Cli, content: bytes) -> None:
    assert cli("run").code == 0
    (file,) = (project.path / ".lakehouse/runs").glob("*.jsonl")
    first, *others = file.read_bytes().splitlines(keepends=True)
    finished = next(line for line in others if b'"table_finished"' in line)
    within = finished.replace(b'"duration_s":', b'"duration_s":' + content.replace(b"\n", b"") + b',"x":')
    for text in (content + b"\n", first + content + b"\n", first + within, within):
        file.write_bytes(text)
        is_reported_in_words(cli, ("runs",), ("runs", "show", "last"), ("plan", "-s", "state:failed"))
        is_reported_in_words(cli, ("run", "--force"))
        for later in sorted((project.path / ".lakehouse/runs").glob("*.jsonl")):
            if later != file:
                later.unlink()


def test_damaged_digests(project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stat_cache, "RACY_MTIME_NS", 0)
    project.edit("lakehouse.yaml", "module:", "storages: {db: {type: sqlite, root: one.db}}\nmodule:")
    project.edit("lakehouse.yaml", "    kind: source\n", "    kind: source\n    storage: db\n")
    with sqlite3.connect(project.path / "one.db") as connection:
        connection.execute("CREATE TABLE orders (customer TEXT, amount INTEGER)")
        connection.execute("INSERT INTO orders VALUES ('a', 1)")
    assert cli("run").code == 0
    note = project.path / ".lakehouse/cache/stat.jsonl"
    kept = [json.loads(line) for line in note.read_bytes().splitlines()]
    wrong = [[[name, stamps, value] for name, stamps, _ in kept] for value in (5, [5], [["a"]], {"a": 1}, None)]
    wrong += [[[name, stamps, value] for name, _, value in kept] for stamps in (5, [5], "a", None)]
    for lines in (*DAMAGED.values(), *("\n".join(map(json.dumps, each)).encode() + b"\n" for each in wrong)):
        note.write_bytes(lines)
        stat_cache.stat_cache.cache_clear()  # as in another process
        is_reported_in_words(cli, ("plan",), ("run",))
        assert "up to date" in cli("plan").out


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # a socket's path may be 100 bytes long
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(before)


KINDS = (a_pipe, a_device, a_socket, Path.mkdir)
FILES = (
    "lakehouse.yaml",
    ".env",
    "more.yaml",
    "transforms.py",
    "other.py",
    "data/orders.csv",
    "data/totals.csv",
    "data/.lakehouse/manifests/totals.json",
    "data/.lakehouse/manifests/best.json",
    ".lakehouse/cache/code.json",
    ".lakehouse/locks/default.lock",
    ".lakehouse/runs/20260101-120000-abcd.jsonl",
    "data/.totals.csv.1-0.lakehouse-tmp",
)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.slow
def test_what_is_no_file_is_not_waited_for(project: ProjectFolder, cli: Cli, tmp_path: Path, name: str) -> None:
    text = project.read("lakehouse.yaml")
    more = "include: ['more*.yaml']\nstorages: {default: {root: '${ROOT:-data}'}}\n"
    project.write("lakehouse.yaml", more + text)
    project.write("more.yaml", "tables: {}\n")
    project.write("other.py", "x = 1\n")
    assert cli("run").code == 0
    kept = shutil.copytree(project.path, tmp_path / "kept")
    for make in KINDS:
        file = project.path / name
        file.unlink(missing_ok=True)
        make(file)
        is_reported_in_words(cli, *COMMANDS)
        for child in project.path.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
        shutil.copytree(kept, project.path, dirs_exist_ok=True)


@pytest.mark.parametrize("make", [a_pipe, a_device, a_socket])
def test_an_env_file_that_is_no_file_is_a_problem(
    project: ProjectFolder, cli: Cli, make: Callable[[Path], None]
) -> None:
    text = project.read("lakehouse.yaml")
    project.write("lakehouse.yaml", "storages: {default: {root: '${ROOT:-data}'}}\n" + text)
    make(project.path / ".env")
    done = cli("validate")
    assert done.code == 3
    assert "`.env` cannot be read: it is not a regular file" in done.err


def test_a_module_that_is_no_file_is_a_problem(project: ProjectFolder, cli: Cli) -> None:
    (project.path / "transforms.py").unlink()
    a_pipe(project.path / "transforms.py")
    done = cli("validate")
    assert done.code == 3
    assert "transforms.py is not a regular file" in done.err


def test_an_env_file_that_is_too_large_is_a_problem(project: ProjectFolder, cli: Cli) -> None:
    text = project.read("lakehouse.yaml")
    project.write("lakehouse.yaml", "storages: {default: {root: '${ROOT:-data}'}}\n" + text)
    project.write(".env", "#" * 1_000_001)
    done = cli("validate")
    assert done.code == 3
    assert "`.env` cannot be read: it is larger than 1 MB" in done.err


@pytest.mark.parametrize("make", [a_pipe, Path.mkdir], ids=["pipe", "folder"])
def test_an_imported_module_that_is_no_file_is_named(
    project: ProjectFolder, cli: Cli, make: Callable[[Path], None]
) -> None:
    project.write("transforms.py", "import units\n" + project.read("transforms.py"))
    make(project.path / "units.py")
    for command in ("validate", "run"):
        done = cli(command)
        assert "units.py is not a regular file" in done.out + done.err, command
        assert "install" not in done.out + done.err
    assert done.code == 1


def test_an_included_pipe_is_named(project: ProjectFolder, cli: Cli) -> None:
    project.write("lakehouse.yaml", "include: [more.yaml, '*.yml']\n" + project.read("lakehouse.yaml"))
    a_pipe(project.path / "more.yaml")
    a_pipe(project.path / "other.yml")
    done = cli("validate")
    assert done.code == 3
    assert "`more.yaml` is not a regular file" in done.err
    assert "`other.yml` is not a regular file" in done.err
    assert "matches no file" not in done.err


@pytest.mark.parametrize("kind", ["source", "computed"])
@pytest.mark.parametrize(("length", "code"), [(250, 0), (252, 3), (300, 3)])
def test_names_too_long_for_a_file_are_a_problem(
    folder: ProjectFolder, cli: Cli, kind: str, length: int, code: int
) -> None:
    name = "n" * length
    declared = "{kind: source}" if kind == "source" else "{function: f}"
    folder.write("lakehouse.yaml", f"name: long\nmodule: t\ntables: {{{name}: {declared}, c: {{function: f}}}}\n")
    folder.write("t.py", "import pandas as pd\n\n\ndef f():\n    return pd.DataFrame({'a': [1]})\n")
    for command in ("validate", "plan", "run"):
        done = cli(command)
        assert done.code == code, done.err
        assert ("has a name of more than 255 bytes in it" in done.err) == bool(code)


def test_a_link_to_itself_is_out_of_reach_in_the_plan(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    stored = next(path for path in (project.path / "data").iterdir() if path.stem == "totals")
    stored.unlink()
    stored.symlink_to(stored.name)
    assert "totals  no access  too many levels of symbolic links" in cli("plan").out
    ran = cli("run")
    assert (ran.code, "remove the link that leads to itself" in ran.err) == (1, True)


@pytest.mark.parametrize("codec", ["hex", "rot13", "zip", "base64", "nosuch", "undefined", "punycode", "utf-32"])
@pytest.mark.parametrize("module", ["transforms.py", "units.py"])
def test_a_module_in_no_encoding_of_text(project: ProjectFolder, cli: Cli, module: str, codec: str) -> None:
    project.write("units.py", "x = 1\n")
    project.write("transforms.py", "import units\n" + project.read("transforms.py"))
    project.write(module, f"#!/usr/bin/env python\n# -*- coding: {codec} -*-\n" + project.read(module))
    for command in ("validate", "plan", "run"):
        done = cli(command)
        assert done.code == 3, (command, done)
        assert f"{module}:2:15" in done.err
        assert f"# -*- coding: {codec} -*-" in done.err
        assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize("name", ["pandas.py", "numpy.py", "pyarrow.py", "duckdb.py", "polars/__init__.py", "yaml.py"])
def test_a_module_that_hides_a_package(project: ProjectFolder, cli: Cli, name: str) -> None:
    pytest.importorskip(name.removesuffix(".py").removesuffix("/__init__"))
    assert cli("plan").code == 0
    project.write(name, "x = 1\n")
    shown, package = name.removesuffix("__init__.py"), name.partition(".")[0].partition("/")[0]
    for command in ("validate", "plan", "run", "ls", "graph", ("show", "orders"), ("diff", "default", "default")):
        done = cli(*((command,) if isinstance(command, str) else command))
        assert done.code == 3, (command, done)
        assert f"`{shown}` hides the installed package `{package}`" in done.err
        assert f"\n  {shown}\n" in done.err
        assert f"rename it: `mv {shown.rstrip('/')} my_{shown.rstrip('/')}`" in done.err


def test_a_module_that_hides_a_package_of_the_transforms(project: ProjectFolder, cli: Cli) -> None:
    project.write("hypothesis.py", "x = 1\n")
    for command in ("validate", "plan"):
        assert cli(command).code == 0
    project.write("transforms.py", "import hypothesis\n" + project.read("transforms.py"))
    for command in ("validate", "plan", "run"):
        done = cli(command)
        assert done.code == 3
        assert "`hypothesis.py` hides the installed package `hypothesis`" in done.err


@pytest.mark.parametrize("name", ["calendar.py", "utils.py", "pandas_extra.py", "numpy/readme.py"])
def test_a_module_that_hides_nothing(project: ProjectFolder, cli: Cli, name: str) -> None:
    project.write(name, "x = 1\n")
    assert cli("validate").code == 0


def test_more_values_than_a_project_has(project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert yaml_tree.MAX_WRITTEN == 500_000
    monkeypatch.setattr(yaml_tree, "MAX_WRITTEN", 50_000)
    project.write("lakehouse.yaml", "name: x\ntables: {}\nx-a: [" + "0," * 60_000 + "0]\n")
    done = cli("validate")
    assert done.code == 3
    assert "`lakehouse.yaml` holds more than 50,000 values" in done.err
    assert "split its tables over files named in `include`" in done.err
    # However they are nested.
    project.write("lakehouse.yaml", "name: x\ntables: {}\nx-a:\n" + "- {a: [0, 0, 0]}\n" * 10_000)
    assert "`lakehouse.yaml` holds more than 50,000 values" in cli("validate").err


def test_the_text_of_many_problems_is_short(project: ProjectFolder, cli: Cli) -> None:
    tables = "".join(f"  t{n}: {{colums: {{a: int64}}}}\n" for n in range(1_000))
    project.declare(tables)
    done = cli("validate")
    assert done.code == 3
    assert len(done.err) < 50_000
    count = len(cli("validate", "-o", "json").json["error"]["problems"])
    assert count >= 1_000
    assert f"and {count - 100:,} more; `-o json` has all" in done.err


@pytest.mark.parametrize("header", [True, False])
def test_more_rows_to_skip_than_there_are(project: ProjectFolder, cli: Cli, header: bool) -> None:
    options = f"    options: {{skip_rows: 1000000000, header: {str(header).lower()}}}\n"
    project.edit("lakehouse.yaml", "    kind: source\n", f"    kind: source\n{options}")
    done = cli("run", "-o", "json")
    assert done.code == 1
    message = json.dumps(done.json)
    assert "`data/orders.csv` has 4 lines, fewer than the 1,000,000,000 that `skip_rows` skips" in message


def test_more_rows_to_skip_behind_the_header_than_there_are(project: ProjectFolder, cli: Cli) -> None:
    options = "    options: {skip_rows_after_header: 9, comment: '#'}\n"
    project.edit("lakehouse.yaml", "    kind: source\n", f"    kind: source\n{options}")
    done = cli("run", "-o", "json")
    assert done.code == 1
    message = json.dumps(done.json)
    assert "has 3 rows behind its header, fewer than the 9 that `skip_rows_after_header` skips" in message
    assert "correct `skip_rows_after_header` in its options: how many rows behind the header are no data" in message


def test_more_rows_to_skip_than_a_sheet_has(project: ProjectFolder, cli: Cli) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    workbook = openpyxl.Workbook()
    workbook.active.append(["customer", "amount"])
    workbook.active.append(["a", 1])
    workbook.save(project.path / "data/orders.xlsx")
    how = "    format: excel\n    options: {skip_rows: 1000000000, header: false}\n"
    project.edit("lakehouse.yaml", "    kind: source\n", f"    kind: source\n{how}")
    done = cli("run", "-o", "json")
    assert done.code == 1
    assert "has 2 rows, fewer than the 1,000,000,000 that `skip_rows` skips" in json.dumps(done.json)
