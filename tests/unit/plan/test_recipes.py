"""A recipe changes with whatever decides what a table comes out as, and with nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse_cli import Project
from lakehouse_cli.model.manifest import Manifest, Recipe
from lakehouse_cli.plan.recipes import reading_of, recipe_hash, recipe_of, stored_as
from lakehouse_cli.storage.partition_index import recipe_digest
from tests.conftest import ProjectFolder

TABLE = "s: {kind: source}\nu: {kind: source}\n"


class Fixed:
    """A computation of a fixed fingerprint, that counts how often it is asked."""

    asked = 0

    def fingerprint(self) -> Any:
        self.asked += 1
        return SimpleNamespace(hash="hash", parts={"transforms.py:t": "1"})


def recipe(folder: ProjectFolder, table: str, *, top: str = "", code: str = "def t(s, n=1): ...\n") -> Recipe:
    folder.declare(f"{TABLE}t: {table}", code, top=top)
    project = Project.load()
    spec = project.planner.spec
    computation: Any = Fixed()
    made = recipe_of(project.graph, spec.tables["t"], computation, spec.storages[spec.tables["t"].storage], None)
    assert computation.asked == (0 if spec.tables["t"].version is not None else 1)
    return made


BASE = "{columns: {a: int64}}"


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("{columns: {a: int32}}", "contract"),
        ("{columns: {b: int64}}", "contract"),
        ("{columns: {a: {type: int64, nullable: false}}}", "contract"),
        ("{}", "contract"),
        ("{columns: {a: int64}, key: [a]}", "key"),
        ("{columns: {a: int64}, extra_columns: keep}", "extra_columns"),
        ("{columns: {a: int64}, params: {n: 2}}", "params"),
        ("{columns: {a: int64}, format: parquet}", "storage"),
        ("{columns: {a: int64}, options: {delimiter: ';'}}", "storage"),
        ("{columns: {a: int64}, inputs: {s: u}}", "inputs"),
        ("{columns: {a: int64}, order_by: [a]}", "order_by"),
        ("{columns: {a: int64}, version: '1'}", "code"),
    ],
)
def test_what_decides_a_table_changes_its_recipe(folder: ProjectFolder, table: str, part: str) -> None:
    before, after = recipe(folder, BASE), recipe(folder, table)
    changed = {name for name in Recipe.__struct_fields__ if getattr(before, name) != getattr(after, name)}
    # A contract with a key has it not nullable; a version stands for all parts of the code.
    assert changed - {"contract", "code_parts"} == {part} - {"contract"}
    assert part in changed


@pytest.mark.parametrize(
    "table",
    [
        "{columns: {a: {type: int64, description: words}}}",
        "{columns: {a: int64}, description: words}",
        "{columns: {a: int64}, tags: [x]}",
        "{columns: {a: int64}, retries: 3, timeout: 60}",
        "{columns: {a: int64}, path: elsewhere}",
    ],
)
def test_what_decides_no_value_does_not_count(folder: ProjectFolder, table: str) -> None:
    assert recipe(folder, table) == recipe(folder, BASE)


def test_place_of_a_storage_does_not_count(folder: ProjectFolder) -> None:
    top = "storages: {default: {root: ROOT}}\n"
    assert recipe(folder, BASE, top=top.replace("ROOT", "one")) == recipe(folder, BASE, top=top.replace("ROOT", "two"))


def test_rules_are_apart_from_what_decides(folder: ProjectFolder) -> None:
    plain = recipe(folder, BASE)
    judged = recipe(folder, "{columns: {a: {type: int64, nullable: false}}, key: [a]}")
    assert judged.shape == plain.shape
    assert judged.rules != plain.rules
    typed = recipe(folder, "{columns: {a: int32}}")
    assert typed.rules == plain.rules
    assert typed.shape != plain.shape


def test_order_counts_in_params_and_not_in_options(folder: ProjectFolder) -> None:
    code = "def t(s, n, m=0): ...\n"
    params = [recipe(folder, f"{{params: {{n: {value}}}}}", code=code) for value in ("{a: 1, b: 2}", "{b: 2, a: 1}")]
    assert params[0].params != params[1].params, "a transform sees it"
    both = [
        recipe(folder, f"{{params: {each}}}", code=code) for each in ("{n: 1, m: 2}", "{m: 2, n: 1}", "{n: 1, m: 2}")
    ]
    for digest in (recipe_hash, recipe_digest):
        assert digest(both[0]) == digest(both[2]) != digest(both[1])
    options = ["{delimiter: ';', decimal: ','}", "{decimal: ',', delimiter: ';'}"]
    assert len({recipe(folder, f"{{options: {each}}}").storage for each in options}) == 1


def test_values_of_options_are_hashed(folder: ProjectFolder) -> None:
    text = recipe(folder, "{columns: {a: date32}, options: {null_values: [Zq7xR-secret]}}").storage
    assert text.startswith("csv,null_values=")
    assert "Zq7xR" not in text
    of_column = "{columns: {a: {type: date32, date_format: '%d Zq7xR %m %Y'}}}"
    assert recipe(folder, of_column).storage.partition("=")[0] == "csv,date_format@a"


def test_how_a_source_is_read(folder: ProjectFolder) -> None:
    def reading(table: str, stored: list[tuple[str, str]] | None = None) -> str:
        folder.declare(f"s: {table}", "def s(): ...\n")
        spec = Project.load().planner.spec
        manifest = None if stored is None else Manifest("s", tuple(stored), 1, 1, 1, "", "", "", "", "")
        return reading_of(spec.tables["s"], manifest, stored_as(spec.tables["s"], spec.storages["default"]))

    assert reading("{kind: source}") == "csv#1 "
    assert reading("{kind: source, columns: {a: int64}}") == 'csv#1 [["a","int64"]]'
    assert reading("{kind: source, columns: {a: {type: int64, nullable: false}}}") == 'csv#1 [["a","int64"]]'
    wide = ", ".join(f"column_{n}: int64" for n in range(300))
    assert len(reading(f"{{kind: source, columns: {{{wide}}}}}")) == len("csv#1 ") + 16, "a hash of them"
    assert reading(f"{{kind: source, columns: {{{wide}}}}}") != reading(
        f"{{kind: source, columns: {{{wide.replace('column_7:', 'column_x:')}}}}}"
    )
    # What is computed is as it was stored, where the contract does not say.
    stored = [("a", "int32"), ("b", "string")]
    assert reading("{}", stored) == 'csv [["a","int32"],["b","string"]]'
    assert reading("{columns: {a: int64}, extra_columns: keep}", stored) == 'csv [["a","int64"],["b","string"]]'
    assert reading("{columns: {a: int64}}", stored) == 'csv [["a","int64"]]'
