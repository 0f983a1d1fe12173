"""Manifests that are not as they should be: explained with their path, and never guessed at."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.model import Table
from lakehouse_cli.storage.base import Provenance
from lakehouse_cli.storage.format_storage import make_manifest
from tests.cli.test_incremental import reasons, statuses
from tests.conftest import Cli, ProjectFolder

BEST = "data/.lakehouse/manifests/best.json"


@pytest.fixture
def done(project: ProjectFolder, cli: Cli) -> ProjectFolder:
    """The small project, materialized."""
    assert cli("run").code == 0
    return project


def alter(folder: ProjectFolder, path: str, value: Any) -> None:
    """Set (or, with `...`, remove) one member of the manifest of `best`."""
    document = json.loads(folder.read(BEST))
    *way, last = path.split(".")
    inner = document
    for name in way:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    folder.write(BEST, json.dumps(document))


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("rows", "x", "`rows`: expected `int`, got `str`"),
        ("rows", -1, "`rows`: expected `int` >= 0"),
        ("bytes", True, "`bytes`: expected `int`, got `bool`"),
        ("bytes", 1.5, "`bytes`: expected `int`, got `float`"),
        ("modified_ns", None, "`modified_ns`: expected `int`, got `null`"),
        ("content_hash", 7, "`content_hash`: expected `str`, got `int`"),
        ("project", [], "`project`: expected `str | null`, got `array`"),
        ("columns", ..., "object missing required field `columns`"),
        ("columns", {}, "`columns`: expected `array`, got `object`"),
        ("columns", [{"name": "a"}], "`columns[0]`: object missing required field `type`"),
        ("packages", {"pandas": 3}, "`packages[...]`: expected `str`, got `int`"),
        ("inputs", [], "`inputs`: expected `object`, got `array`"),
        ("inputs.totals", {"rows": 1}, "`inputs[...]`: expected `array`, got `object`"),
        ("inputs.totals", ["x", "1", 2, 3, ""], "`inputs[...][1]`: expected `int`, got `str`"),
        ("inputs.totals", ["x", 1, True, 3, ""], "`inputs[...][2]`: expected `int`, got `bool`"),
        ("recipe", "x", "`recipe`: expected `object | null`, got `str`"),
        ("recipe.code_parts", ["x"], "`recipe.code_parts`: expected `object`, got `array`"),
        ("recipe.contract", [["a"]], "`recipe.contract[0]`: expected `array` of length 2 to 3"),
        ("recipe.contract", 3, "`recipe.contract`: expected `array | null`, got `int`"),
        ("recipe.key", [1], "`recipe.key[0]`: expected `str`, got `int`"),
        ("recipe.params", {"count": 1}, "`recipe.params[...]`: expected `str`, got `int`"),
        ("format", "2", "`format`: expected `int`, got `str`"),
        ("format", 0, "there is no format 0"),
        ("format", ..., "object missing required field `format`"),
    ],
)
def test_an_altered_manifest_is_explained(done: ProjectFolder, cli: Cli, path: str, value: Any, why: str) -> None:
    alter(done, path, value)
    reported = f"{BEST} cannot be used: {why}; materializing the table replaces it"
    assert reasons(cli) == {"best": [("data_changed", reported)]}
    assert statuses(cli) == {"totals": "unchanged", "best": "materialized"}
    assert reasons(cli) == {}
    assert cli("runs", "show", "last").code == 0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is not JSON (line 1)"),
        (b'{"format": 2,\n "table": "be', "it is not JSON (line 2)"),
        (b'{"format": 2, "table": "\xff"}', "it is not JSON"),
        (b'{"format": 2, "more": ' + b"[" * 200_000, "it is not JSON"),
        (b'{"format": ' + b"9" * 5000 + b"}", "`format`: integer value out of range"),
        (b"[]", "expected `object`, got `array`"),
    ],
)
def test_what_is_no_manifest_is_explained(done: ProjectFolder, cli: Cli, data: bytes, why: str) -> None:
    (done.path / BEST).write_bytes(data)
    [(code, message)] = reasons(cli)["best"]
    assert (code, message.partition(";")[0]) == ("data_changed", f"{BEST} cannot be used: {why}")
    assert statuses(cli)["best"] == "materialized"


def test_a_type_that_is_none(done: ProjectFolder, cli: Cli) -> None:
    done.edit("lakehouse.yaml", "    columns: {customer: string, total: int64}\n    params", "    params")
    assert cli("run").code == 0
    alter(done, "columns", [{"name": "customer", "type": "strnig"}])
    shown = cli("show", "best")
    assert shown.code == 1
    assert f"{BEST} cannot be used: " in shown.err
    assert "`lakehouse run --force best` replaces it" in shown.err


def test_a_folder_where_a_manifest_belongs(done: ProjectFolder, cli: Cli) -> None:
    (done.path / BEST).unlink()
    (done.path / BEST).mkdir()
    before = done.read("data/best.csv")
    [(code, message)] = reasons(cli)["best"]
    assert code == "data_changed"
    assert message == f"{BEST} is a folder; move it away; the manifest of `best` belongs there"
    done.write("data/orders.csv", "customer,amount\n007,9\n")
    ran = cli("run")
    assert ran.code == 1
    assert f"best  {BEST} is a folder" in ran.err
    assert "data/best.csv is as it was" in ran.err
    assert done.read("data/best.csv") == before


@pytest.mark.parametrize("file", ["data/.lakehouse", "data/.lakehouse/manifests"])
def test_a_file_where_the_folder_of_manifests_belongs(project: ProjectFolder, cli: Cli, file: str) -> None:
    project.write(file, "a file")
    reported = f"{file} is a file"
    hint = "next: move it away; the manifest of `totals` belongs in a folder of that name\n"
    planned = cli("plan", "totals")
    assert "✗  totals  refused " in planned.out
    assert f"`totals` stays as it is: {reported}\n" in planned.out
    assert hint in planned.out
    for argv in (["run", "totals"], ["run", "totals", "--force"]):
        ran = cli(*argv)
        assert ran.code == 1
        assert f"totals  {reported}" in ran.err
        assert hint in ran.err
    assert project.files() == ["orders.csv"]


def test_a_file_where_the_root_of_a_storage_belongs(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "  best:\n", "  best:\n    storage: out\n")
    project.add("lakehouse.yaml", "storages: {out: {root: out}}\n")
    project.write("out", "a file")
    assert "`best` stays as it is: out is a file\n" in cli("plan").out


NEWER = f"{BEST} cannot be used: a newer version of lakehouse wrote it (format 99, this version reads 2)"


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_what_a_newer_version_stored_stays(done: ProjectFolder, cli: Cli, executor: str) -> None:
    alter(done, "format", 99)
    stored, manifest = done.read("data/best.csv"), done.read(BEST)
    planned = cli("plan", "-o", "json").json["tables"][-1]
    assert planned["would_fail"] == f"`best` stays as it is: {NEWER}"
    shown = cli("plan")
    assert "✗  best    refused" in shown.out
    assert "a run would fail: 1 of these could not be materialized; `best` stays as it is" in shown.out
    assert "1 table refused" in shown.out
    assert "to materialize" not in shown.out
    ran = cli("run", "--executor", executor)
    assert ran.code == 1
    assert f"best  {NEWER}" in ran.err
    assert "use that version, or replace the table with `--force`" in ran.err
    assert (done.read("data/best.csv"), done.read(BEST)) == (stored, manifest)
    assert cli("run", "--dry-run", "--force", "-o", "json").json["tables"][-1]["would_fail"] is None
    assert statuses(cli, "--force", "best") == {"best": "materialized"}
    assert reasons(cli) == {}


def test_what_needs_a_table_of_a_newer_version_is_skipped(done: ProjectFolder, cli: Cli) -> None:
    manifest = "data/.lakehouse/manifests/totals.json"
    done.write(manifest, '{"format": 99}')
    (done.path / "data/totals.csv").unlink()
    planned = {t["name"]: t for t in cli("plan", "-o", "json").json["tables"]}
    assert planned["totals"]["reasons"][0]["code"] == "missing_data"
    assert planned["best"]["would_fail"] == planned["totals"]["would_fail"]
    assert statuses(cli) == {"totals": "failed", "best": "skipped"}
    assert done.read(manifest) == '{"format": 99}'


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_what_another_project_stored_stays(done: ProjectFolder, cli: Cli, executor: str) -> None:
    done.edit("lakehouse.yaml", "name: small", "name: other")
    assert reasons(cli) == {}
    done.edit("transforms.py", "nlargest", "nsmallest")
    stored, manifest = done.read("data/best.csv"), done.read(BEST)
    planned = cli("plan", "-o", "json").json["tables"][-1]
    assert planned["would_fail"] == "`best` stays as it is: data/best.csv belongs to project `small`"
    assert "✗  best    refused  data/best.csv belongs to project `small`; " in cli("plan").out
    ran = cli("run", "--executor", executor)
    assert ran.code == 1
    assert "best  data/best.csv belongs to project `small`" in ran.err
    assert "give the table another `path:`" in ran.err
    assert (done.read("data/best.csv"), done.read(BEST)) == (stored, manifest)
    assert statuses(cli, "--force", "best") == {"best": "materialized"}
    assert reasons(cli) == {}
    assert '"project": "other"' in done.read(BEST)


def test_package_versions_while_importing(monkeypatch: pytest.MonkeyPatch) -> None:
    # As a module is that another thread is importing: without a `__version__`.
    monkeypatch.setitem(sys.modules, "polars", ModuleType("polars"))
    manifest = make_manifest(
        Table("t"), pa.table({"a": ["x"]}), Provenance("r", "p"), size=1, content_hash="h", modified_ns=1
    )
    assert manifest.packages["polars"] == metadata.version("polars")
    assert manifest.packages["pyarrow"] == metadata.version("pyarrow")


def test_sources_read_by_former_rules_are_read_again(done: ProjectFolder, cli: Cli) -> None:
    path = "data/.lakehouse/manifests/totals.json"
    text = done.read(path)
    assert '"csv#1' in text
    done.write(path, text.replace('"csv#1', '"csv'))  # as version 0.1.0 recorded it
    reported = "`orders` is read differently now (this version of lakehouse reads csv by other rules)"
    assert reasons(cli)["totals"] == [("input_changed", reported)]
    assert statuses(cli) == {"totals": "materialized", "best": "unchanged"}
    assert reasons(cli) == {}
