"""Every example and template declared both ways, in YAML and in Python: the same plans, bytes and fingerprints."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse_cli.declarations import Column, DeclaredTable, declared_by
from tests.conftest import Cli
from tests.test_examples import EXAMPLES, ROOT, TEMPLATES, copy_of, generate_data

# Folders of stored tables.
ROOTS = ("data", "made", "reports")
IN_PYTHON = {"simple_lakehouse": "simple_lakehouse", "multi_type_lakehouse": "multi_type_lakehouse"}


def in_python(tables: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Sources and queries as statements, and the decorator of each function."""
    lines, decorators = [], {}
    for name, keys in tables.items():
        # Of the values in tests, PyYAML would make others than lakehouse does; a plan knows nothing of them.
        given = {key: value for key, value in keys.items() if key not in ("kind", "function", "tests")}
        arguments = "".join(f", {key}={value!r}" for key, value in given.items())
        if keys.get("kind") == "source":
            lines.append(f"{name}_ = source_table({name!r}{arguments})")
        elif "output" in keys:
            lines.append(f"{name}_ = computed_table({keys['function']}, name={name!r}{arguments})")
        elif "sql" in keys or "sql_file" in keys:
            lines.append(f"{name}_ = computed_table({name!r}{arguments})")
        else:
            function = keys.get("function", name)
            named = "" if function == name else f", name={name!r}"
            decorators[function] = f"@computed_table({(named + arguments).removeprefix(', ')})\n"
    return "\n".join(lines), decorators


def declare_in_python(declared: Path) -> str:
    """Declare a project of YAML in its module of transforms instead; the name of that."""
    document = yaml.safe_load((declared / "lakehouse.yaml").read_text())
    for pattern in document.pop("include", ()):
        for file in sorted(declared.glob(pattern)):
            document["tables"] |= yaml.safe_load(file.read_text())["tables"]
    (declared / "lakehouse.yaml").unlink()
    module: str = document.pop("module")
    statements, decorators = in_python(document.pop("tables"))
    code = (declared / f"{module}.py").read_text()
    for function, decorator in decorators.items():
        code, count = re.subn(rf"^def {function}\(", f"{decorator}def {function}(", code, flags=re.MULTILINE)
        assert count == 1
    declaring = "from lakehouse_cli import Lakehouse, computed_table, source_table\nimport pandas as pd\n"
    assert "\nimport pandas as pd\n" in code
    code = code.replace("import pandas as pd\n", declaring, 1)
    names = [*re.findall(r"^(\w+_) =", statements, re.MULTILINE), *decorators]
    keywords = "".join(f", {key}={value!r}" for key, value in document.items())
    code += f"\n{statements}\nlakehouse = Lakehouse([{', '.join(names)}]{keywords})\n"
    (declared / f"{module}.py").write_text(code)
    return module


def declare_in_yaml(written: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare a project of `assets.py` in a project file instead."""
    monkeypatch.syspath_prepend(str(written))
    monkeypatch.delitem(sys.modules, "assets", raising=False)  # that of another project
    module = importlib.import_module("assets")
    del sys.modules["assets"]
    found = [each for value in vars(module).values() for each in (value, *declared_by(value))]
    tables = {each.name: keys_of(each) for each in found if isinstance(each, DeclaredTable)}
    settings = yaml.safe_load(file.read_text()) if (file := written / "lakehouse.yaml").exists() else {}
    settings.pop("assets", None)
    document = {"name": name, **vars(module)[IN_PYTHON[name]].keys, **settings, "module": "assets", "tables": tables}
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def keys_of(table: DeclaredTable) -> dict[str, Any]:
    """The keys of a declared table as YAML has them."""

    def plain(value: Any) -> Any:
        if isinstance(value, Column):
            return {key: plain(each) for key, each in value.keys.items()}
        if isinstance(value, list) and all(isinstance(each, Column) for each in value):
            return {each.name: plain(each) for each in value}
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, list):
            return [plain(each) for each in value]
        if isinstance(value, tuple):
            return "/".join(value)
        if isinstance(value, DeclaredTable) or declared_by(value):
            return (value if isinstance(value, DeclaredTable) else declared_by(value)[0]).name
        return value if isinstance(value, str | bool | None) else str(value)

    former = {"input_assets": "inputs", "storage_key": "storage"}
    keys = {former.get(key, key): plain(value) for key, value in table.keys.items() if value is not None}
    return {"kind": table.kind, **keys}


def stored_in(project: Path) -> dict[Path, bytes]:
    """The files of tables and other assets, manifests and history aside: those say when."""
    files = [file for root in ROOTS for file in (project / root).rglob("*") if file.is_file()]
    paths = {file: file.relative_to(project) for file in files}
    return {path: file.read_bytes() for file, path in paths.items() if ".lakehouse" not in path.parts}


@pytest.mark.parametrize("name", [*(f"examples/{each}" for each in (*EXAMPLES, "notebook")), *TEMPLATES])
@pytest.mark.slow
def test_project_declared_both_ways_is_the_same(
    name: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, declared = tmp_path / "written" / "it", tmp_path / "declared" / "it"
    short = Path(name).name
    if name in TEMPLATES:
        assert cli("init", str(written), "--template", name).code == 0
    else:
        copy_of(ROOT / name, written)
        generate_data(short, written)
    shutil.copytree(written, declared)
    module = ["-m", "assets"]
    if short in IN_PYTHON:
        declare_in_yaml(written, short, monkeypatch)
        module = [] if (declared / "lakehouse.yaml").exists() else module
    else:
        module = ["-m", declare_in_python(declared)]

    def told(folder: Path, *arguments: str) -> Any:
        monkeypatch.chdir(folder)
        done = cli(*arguments, *(module if folder == declared else ()), "-o", "json")
        assert done.code == 0, done.out + done.err
        return done.json

    def by_name(document: dict[str, Any]) -> dict[str, Any]:
        return {table["name"]: table for table in document["tables"]}

    for arguments in (("plan",), ("ls",)):
        assert by_name(told(written, *arguments)) == by_name(told(declared, *arguments))
    told(written, "run")
    told(declared, "run")
    results = [stored_in(each) for each in (written, declared)]
    assert results[0].keys() == results[1].keys()
    assert [path for path, content in results[0].items() if content != results[1][path]] == []
    assert results[0]
    # What one has stored is up to date for the other.
    for here, there in ((written, declared), (declared, written)):
        for root in ROOTS:
            if (here / root).exists():
                shutil.rmtree(there / root)
                shutil.copytree(here / root, there / root)
        planned = told(there, "plan")
        assert {t["action"] for t in planned["tables"]} <= {"skip", "read"}, json.dumps(planned, indent=1)
