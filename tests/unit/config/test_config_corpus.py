"""The corpus of good and bad project files: what the loader says of each, and that the JSON Schema agrees.

A bad file begins with one line ``# expect: [file:]line:column message`` per problem, all of them and no others. One
that a schema cannot reject says why in a line ``# schema: cannot express: …``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from jsonschema import Draft7Validator

from lakehouse_cli.config import load_project
from lakehouse_cli.config.schema import json_schema
from tests.cases import each_case

CORPUS = Path(__file__).parents[2] / "corpus"
ENVIRON = {
    "HOME": "/home/someone",
    "LAKE_SECRET": "s3cr3t",
    "EMPTY": "",
    "WORKERS": "2",
    "SEPARATOR": ";",
}


def _files(kind: str) -> list[Path]:
    folder = CORPUS / kind
    return sorted([*folder.glob("*.yaml"), *folder.glob("*/lakehouse.yaml")])


def _id(path: Path) -> str:
    return path.parent.name if path.name == "lakehouse.yaml" else path.stem


GOOD, BAD = _files("good"), _files("bad")


class EditorLoader(yaml.SafeLoader):
    """PyYAML with YAML 1.2's core schema, as the language servers of editors read a file."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "not a map", node.start_mark)
        self.flatten_mapping(node)
        # Property names are texts in JSON.
        return {
            key.value if isinstance(key, yaml.ScalarNode) else str(key): self.construct_object(value, deep=True)
            for key, value in node.value
        }

    def construct_core_int(self, node: yaml.ScalarNode) -> int:
        text = node.value
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


for tag, pattern in {
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "null": r"~|null|Null|NULL|",
    "merge": r"<<",
}.items():
    EditorLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), None)
EditorLoader.add_constructor("tag:yaml.org,2002:int", EditorLoader.construct_core_int)


def _rejected(document: Path, schema: dict[str, Any]) -> bool:
    try:
        parsed = yaml.load(document.read_text("utf-8"), EditorLoader)
    except yaml.YAMLError:
        return True
    return not Draft7Validator(schema).is_valid(parsed)


def _included_schema() -> dict[str, Any]:
    return {"$ref": "#/$defs/included", "$defs": json_schema()["$defs"]}


def test_corpus_is_there() -> None:
    assert len(GOOD) >= 15
    assert len(BAD) >= 60


@each_case("path", GOOD)
def test_good_file_has_no_problems(path: Path) -> None:
    assert load_project(path, ENVIRON, thorough=True).problems == ()


@each_case("path", GOOD)
def test_schema_accepts_good_file(path: Path) -> None:
    errors = list(Draft7Validator(json_schema()).iter_errors(yaml.load(path.read_text("utf-8"), EditorLoader)))
    assert [error.message for error in errors] == []


@pytest.mark.parametrize(
    "path",
    [each for path in GOOD if path.name == "lakehouse.yaml" for each in path.parent.rglob("*.yaml") if each != path],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_schema_accepts_good_included_file(path: Path) -> None:
    assert not _rejected(path, _included_schema())


@each_case("path", BAD)
def test_bad_file_has_the_expected_problems(path: Path) -> None:
    text = path.read_text("utf-8")
    expected = re.findall(r"^# expect: (\S+) (.*)$", text, re.MULTILINE)
    assert expected, "a bad file says what is expected"
    found = []
    for problem in load_project(path, ENVIRON, thorough=True).problems:
        place = problem.location
        assert place is not None
        where = f"{place.line}:{place.column}"
        found.append((where if place.file == path.name else f"{place.file}:{where}", problem.message))
    assert found == expected


@each_case("path", BAD)
def test_every_problem_can_be_shown_and_acted_on(path: Path) -> None:
    for problem in load_project(path, ENVIRON, thorough=True).problems:
        place = problem.location
        assert place is not None
        assert place.line is not None
        assert place.column is not None
        source = place.source
        assert source is not None
        assert 1 <= place.column <= len(source) + 1
        assert place.length >= 1
        assert place.column - 1 + place.length <= max(len(source), 1)
        assert problem.hint, problem.message
        assert problem.message.isprintable()
        assert not problem.message.endswith(".")
        assert "s3cr3t" not in f"{problem}"


@each_case("path", BAD)
def test_schema_rejects_bad_file_unless_it_cannot(path: Path) -> None:
    cannot = "# schema: cannot express: " in path.read_text("utf-8")
    assert _rejected(path, json_schema()) is not cannot


def test_schema_is_strict() -> None:
    """As SchemaStore asks, whose check is Ajv's strict mode."""

    def schemas(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            yield node
        for key, each in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            if key in ("properties", "patternProperties", "$defs"):
                for member in each.values():
                    yield from schemas(member)
            elif key not in ("enum", "const", "default", "examples"):
                yield from schemas(each)

    for schema in schemas(json_schema()):
        assert not isinstance(schema.get("type"), list), schema
        assert "$ref" not in schema or len(schema) == 1, schema
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), schema
        assert "type" in schema or not {"properties", "required", "additionalProperties", "maxProperties"} & set(schema)


def test_schema_is_valid_and_helps_editors() -> None:
    schema = json_schema()
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    table = schema["$defs"]["table"]
    assert all(each.get("description") for each in table["properties"].values())
    assert table["properties"]["kind"]["default"] == "computed"
    assert table["properties"]["checks"]["items"]["anyOf"][0]["required"] == ["unique"]
    assert schema["$defs"]["environment"]["properties"]["storages"]["description"]
    assert schema["$defs"]["options"]["properties"]["delimiter"]["default"] == ","
