"""The schema that a project keeps for editors, found as they find it: by the first line, from the file's folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from lakehouse_cli.config.schema import json_schema
from tests.conftest import Cli, ProjectFolder
from tests.unit.config.test_config_corpus import EditorLoader


def complaints(file: Path) -> list[str]:
    """What an editor marks in a file."""
    named = re.match(r"# yaml-language-server: \$schema=([^#\n]+)(#\S+)?\n", text := file.read_text("utf-8"))
    assert named is not None
    schema: dict[str, Any] = json.loads((file.parent / named[1]).read_text("utf-8"))
    if named[2]:
        schema = {"$ref": named[2], "$defs": schema["$defs"]}
    return [each.message for each in Draft7Validator(schema).iter_errors(yaml.load(text, EditorLoader))]


@pytest.mark.parametrize("template", ["minimal", "ml", "weather", "shop", "sql"])
def test_every_template_fits_the_schema_it_names(folder: ProjectFolder, cli: Cli, template: str) -> None:
    assert cli("init", "mine", "--template", template).code == 0
    files = [*folder.path.glob("mine/lakehouse.yaml"), *folder.path.glob("mine/tables/*.yaml")]
    assert {str(each): complaints(each) for each in files} == {str(each): [] for each in files}
    assert "schema.json" not in cli("init", "other", "-o", "json").out
    for each in files:
        each.write_text(each.read_text("utf-8").replace("columns:", "colums:"), "utf-8")
        assert any("colums" in message for message in complaints(each))


def test_declarations_from_data_fit_it(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("orders.csv", "day,amount\n2024-01-03,1.50\n")
    assert cli("init", "--from-data", "orders.csv").code == 0
    assert complaints(folder.path / "lakehouse.yaml") == []


def test_it_is_written_where_it_is_named_and_of_another_version(folder: ProjectFolder, cli: Cli) -> None:
    cli("init", "mine")
    file, schema = folder.path / "mine/lakehouse.yaml", folder.path / "mine/.lakehouse/cache/schema.json"
    was = schema.read_text("utf-8")
    for old in (None, was.replace("lakehouse-cli ", "lakehouse-cli 0.0.1+", 1), ""):
        schema.unlink() if old is None else schema.write_text(old, "utf-8")
        file.write_text(file.read_text("utf-8") + "mistake: 1\n", "utf-8")
        assert cli("-C", "mine", "plan").code == 3
        assert schema.read_text("utf-8") == was, "though the project is invalid"
        file.write_text(file.read_text("utf-8").replace("mistake: 1\n", ""), "utf-8")
    schema.unlink()
    schema.mkdir()
    assert cli("-C", "mine", "plan").code == 0, "it is for editors alone"
    schema.rmdir()
    file.write_text(file.read_text("utf-8").partition("\n")[2], "utf-8")
    assert cli("-C", "mine", "validate").code == 0
    assert not schema.exists()


def test_merges_are_taken_where_names_are_limited() -> None:
    """The YAML language server holds `<<` to `propertyNames` too."""
    table = {"params": {"<<": {"top": 3}, "least": 1}, "columns": {"a": "int64"}}
    assert Draft7Validator(json_schema()).is_valid({"name": "merged", "tables": {"<<": table, "t": table}})
    assert not Draft7Validator(json_schema()).is_valid({"name": "merged", "tables": {"<<<": table}})
