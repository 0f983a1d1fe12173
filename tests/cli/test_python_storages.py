"""Storages of classes, where the project is declared in Python."""

from __future__ import annotations

import pytest

from tests.cli.test_own_storages import SHELF
from tests.conftest import Cli, ProjectFolder

TABLES = """
    from lakehouse_cli import KeyedStorage, Lakehouse, computed_table, source_table
    import shelf

    orders = source_table("orders", columns={"customer": "string", "amount": "int64"})

    def make():
        class Inner(shelf.Shelf): ...
        return Inner

    class Outer:
        class Inner(shelf.Shelf): ...

    @computed_table(columns={"customer": "string"}, storage="shelf", input_deps=[orders])
    def first(frame):
        return frame[["customer"]].head(1)

    lakehouse = Lakehouse(
        [first],
        storages={"default": {"root": "data"}, "shelf": {"type": shelf.Shelf}},
        environments={"prod": {"storages": {"shelf": {"type": shelf.Shelf, "options": {"label": "prod"}}}}},
    )
"""


@pytest.fixture
def declared(folder: ProjectFolder) -> ProjectFolder:
    """A project in which one table lives in a storage of the project's own."""
    folder.write("data/orders.csv", "customer,amount\nada,3\nbob,4\n")
    folder.write("shelf.py", SHELF)
    folder.write("tables.py", TABLES)
    return folder


def test_class_of_a_storage_is_taken_by_its_name(declared: ProjectFolder, cli: Cli) -> None:
    assert cli("-m", "tables", "run", "-o", "json").statuses == {"first": "materialized"}
    assert cli("-m", "tables", "show", "first", "-o", "json").json["rows"] == [{"customer": "ada"}]
    listed = cli("-m", "tables", "ls", "-o", "json").json["tables"]
    assert {table["name"]: table["inputs"] for table in listed} == {"first": ["orders"], "orders": []}
    declared.edit("tables.py", "shelf.Shelf, ", "'shelf:Shelf', ")
    assert cli("-m", "tables", "-e", "prod", "plan", "-o", "json").code == 0


@pytest.mark.parametrize("place", ['"shelf": {"type": shelf.Shelf}}', 'type": shelf.Shelf, "options'])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("make()", "class `Inner` of storage `shelf` is defined inside `make`"),
        ("Outer.Inner", "class `Inner` of storage `shelf` is defined inside `Outer`"),
        ("lambda spec: 1", "`type` of storage `shelf` is a lambda, which is no class"),
        ("dict", "class `dict` of storage `shelf` is one of Python's own, of module `builtins`"),
        ("7", "`type` of storage `shelf` is `7`, which is no class"),
        ("object.__new__(shelf.Shelf)", "`type` of storage `shelf` is a value of `shelf.Shelf`, which is no class"),
    ],
)
def test_what_is_no_class_at_the_top_is_refused(
    declared: ProjectFolder, cli: Cli, place: str, given: str, expected: str
) -> None:
    declared.edit("tables.py", place, place.replace("shelf.Shelf", given))
    (problem,) = cli("-m", "tables", "validate", "-o", "json").json["error"]["problems"]
    assert (problem["file"], problem["line"], problem["message"]) == ("tables.py", 17, expected)
    if "a value of" in expected:
        assert problem["hint"] == "give it the class itself, `Shelf`, and its options under `options`"
