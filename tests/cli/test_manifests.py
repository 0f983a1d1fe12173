"""Manifests that are not as they should be: explained with their path, and never guessed at."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.test_incremental import reasons, statuses
from tests.conftest import Invoked, ProjectFolder

Cli = Callable[..., Invoked]
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
        ("rows", "x", "`rows` is not a whole number"),
        ("rows", -1, "`rows` is less than none"),
        ("bytes", True, "`bytes` is not a whole number"),
        ("bytes", 1.5, "`bytes` is not a whole number"),
        ("modified_ns", None, "`modified_ns` is not a whole number"),
        ("content_hash", 7, "`content_hash` is not a text"),
        ("project", [], "`project` is not a text"),
        ("columns", ..., "`columns` is missing"),
        ("columns", {}, "`columns` is not a list"),
        ("columns", [{"name": "a"}], "`columns` holds what is not a name and a type"),
        ("packages", {"pandas": 3}, "`packages` holds what is not a text"),
        ("inputs", [], "`inputs` is not an object"),
        ("inputs.totals", {"rows": 1}, "`inputs.totals` is not the record of an input"),
        ("inputs.totals", ["x", "1", 2, 3, ""], "`inputs.totals` is not the record of an input"),
        ("inputs.totals", ["x", 1, True, 3, ""], "`inputs.totals` is not the record of an input"),
        ("recipe", "x", "`recipe` is not an object"),
        ("recipe.code_parts", ["x"], "`recipe.code_parts` is not an object"),
        ("recipe.contract", [["a", "string"]], "`recipe.contract` holds what is not a column"),
        ("recipe.contract", 3, "`recipe.contract` is not a list"),
        ("recipe.key", [1], "`recipe.key` holds what is not a text"),
        ("recipe.params", {"count": 1}, "`recipe.params` holds what is not a text"),
        ("format", "2", "`format` is not a whole number"),
        ("format", 0, "there is no format 0"),
        ("format", ..., "`format` is missing"),
    ],
)
def test_an_altered_manifest_is_explained(done: ProjectFolder, cli: Cli, path: str, value: Any, why: str) -> None:
    alter(done, path, value)
    told = f"{BEST} cannot be used: {why}; materializing the table replaces it"
    assert reasons(cli) == {"best": [("data_changed", told)]}
    assert statuses(cli) == {"totals": "unchanged", "best": "materialized"}
    assert reasons(cli) == {}
    assert cli("runs", "show", "last").code == 0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is not JSON (line 1)"),
        (b'{"format": 2,\n "table": "be', "it is not JSON (line 2)"),
        (b'{"format": "\xff"}', "it is not JSON"),
        (b"[" * 200_000, "it is not JSON"),
        (b'{"format": ' + b"9" * 5000 + b"}", "it is not JSON"),
        (b"[]", "it is not a JSON object"),
    ],
)
def test_what_is_no_manifest_is_explained(done: ProjectFolder, cli: Cli, data: bytes, why: str) -> None:
    (done.path / BEST).write_bytes(data)
    [(code, message)] = reasons(cli)["best"]
    assert (code, message.partition(";")[0]) == ("data_changed", f"{BEST} cannot be used: {why}")
    assert statuses(cli)["best"] == "materialized"


def test_a_type_that_is_none(done: ProjectFolder, cli: Cli) -> None:
    text = done.read("lakehouse.yaml").replace(
        "    columns: {customer: string, total: int64}\n    params", "    params"
    )
    done.write("lakehouse.yaml", text)
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


def test_a_file_where_the_folder_of_manifests_belongs(project: ProjectFolder, cli: Cli) -> None:
    project.write("data/.lakehouse", "a file")
    ran = cli("run", "totals")
    assert ran.code == 1
    assert "data/.lakehouse/manifests/totals.json cannot be written: " in ran.err
    assert project.files() == ["orders.csv"]


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
    done.write("lakehouse.yaml", done.read("lakehouse.yaml").replace("name: small", "name: other"))
    assert reasons(cli) == {}
    done.write("transforms.py", done.read("transforms.py").replace("nlargest", "nsmallest"))
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
