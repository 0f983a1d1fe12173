"""`type: module:Class` and types that packages bring: what is read of them, and what is said of wrong ones."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from lakehouse_cli.config import load_project
from lakehouse_cli.config.schema import json_schema
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage import AssetStorage, KeyedStorage
from lakehouse_cli.storage.save_load import SaveLoadStorage
from lakehouse_cli.storage_types import own_methods
from lakehouse_cli.storage_types.own import read_type
from tests.conftest import ProjectFolder

STORAGE = """
from __future__ import annotations

raise RuntimeError("loading a project must not import this")

from typing import ClassVar

from lakehouse_cli.storage.base import AssetStorage


class Base(AssetStorage):
    def save(self, frame, path, resources): ...

    def load(self, python_type, path, resources): ...

    root_is: ClassVar[str] = "none"
    endpoint: str
    retries: int = 3
    _cache = None
    _seen: dict = {}


class Mine(Base):
    cannot_hold: ClassVar[tuple[str, ...]] = ("uint64", "timestamp[ns]")
    ratio: float = 0.5
    secure: bool = True
    zones: list[str] = ["a"]
    token: str | None = None
"""


def problems(folder: ProjectFolder, storage: str, tables: str = "{}") -> list[tuple[str, str | None]]:
    folder.write("lakehouse.yaml", f"name: own\nmodule: t\nstorages:\n  mine: {storage}\ntables: {tables}\n")
    return [(p.message, p.hint) for p in load_project(folder.path / "lakehouse.yaml", {"TOKEN": "s3cr3t"}).problems]


def spec(folder: ProjectFolder, storage: str) -> StorageSpec:
    assert problems(folder, storage) == []
    return load_project(folder.path / "lakehouse.yaml", {"TOKEN": "s3cr3t"}).spec.storages["mine"]


@pytest.fixture
def own(folder: ProjectFolder) -> ProjectFolder:
    folder.write("stores.py", STORAGE)
    return folder


def test_options_are_the_declared_fields(own: ProjectFolder) -> None:
    read = spec(
        own,
        '{type: "stores:Mine", options: {endpoint: x, retries: 5, ratio: 1.5, secure: false, zones: [b, c], '
        'token: "${TOKEN}"}}',
    )
    assert read.connection == {
        "endpoint": "x",
        "retries": 5,
        "ratio": 1.5,
        "secure": False,
        "zones": ["b", "c"],
        "token": "s3cr3t",
    }
    assert (read.type, read.root, read.format, read.folder) == ("stores:Mine", "", "", own.path)
    assert "s3cr3t" not in repr(read)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ("{}", "storage `mine` lacks option `endpoint` of type stores:Mine", "give it under `options`"),
        (
            "{endpoint: x, retrys: 5}",
            "unknown option `retrys` of storage type stores:Mine in storage `mine`",
            "did you mean `retries`?",
        ),
        (
            "{endpoint: x, retries: many}",
            "option `retries` of storage `mine` is a whole number, not `many`",
            "write a number such as `1`",
        ),
    ],
)
def test_options_are_validated(own: ProjectFolder, options: str, message: str, hint: str) -> None:
    assert problems(own, f'{{type: "stores:Mine", options: {options}}}') == [(message, hint)]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("stores:Mien", "`type` of storage `mine`: class `Mien` is not in stores.py", "did you mean `Mine`?"),
        (
            "storez:Mine",
            "`type` of storage `mine`: module `storez` is neither beside the project file nor installed",
            "did you mean `stores`?",
        ),
        ("fils", "`type` of storage `mine`: there is no `fils`", "did you mean `files`?"),
    ],
)
def test_types_that_are_not_there(own: ProjectFolder, name: str, message: str, hint: str) -> None:
    assert problems(own, f'{{type: "{name}"}}') == [(message, hint)]


METHODS = """
import functools
from lakehouse_cli import AssetStorage, KeyedStorage

class Mine{}:
    def save(self, frame, path, resources): ...
    def load(self, python_type, path, resources): ...
"""
SAVE, LOAD = "save(self, frame, path, resources)", "load(self, python_type, path, resources)"


@pytest.mark.parametrize(
    ("base", "old", "new", "message", "hint"),
    [
        ("", "def load", "def lod", "class Mine has `save`, and no `load` (stores.py:4)", f"define `def {LOAD}`"),
        (
            "(AssetStorage)",
            "def save",
            "def _save",
            "class Mine has `load`, and no `save` (stores.py:4)",
            "define `def",
        ),
        (
            "(AssetStorage)",
            "ve(self, frame, path, resources)",
            "ve(self, frame, path)",
            "`save(obj, path,",
            "write `def",
        ),
        ("", LOAD, "load(self)", "`load` of Mine cannot be called as `load(python_type, path, resources)`", "write `"),
        ("", LOAD, "load(self, a, b, c, d)", "`load` of Mine cannot be called as", f"write `def {LOAD}`"),
        ("", LOAD, "load(self, a, b, c, *, d)", "`load` of Mine cannot be called as", f"write `def {LOAD}`"),
        ("", LOAD, "load(a, b, c)", "`load` of Mine cannot be called as", f"write `def {LOAD}`"),
        ("(KeyedStorage)", "", "", "class Mine lacks `delete_key`, `get_key`, `head_key`, `keys`, `put_key`", "define"),
        ("(AssetStorage)", "def save", "def uri", "class Mine has `load`, and no `save`", "define `def save(self, obj"),
        ("(AssetStorage)", SAVE, "scan(self, table)", "class Mine lacks `content`, `delete`, `list`", "define what"),
    ],
)
def test_methods_that_a_run_could_not_call(
    folder: ProjectFolder, base: str, old: str, new: str, message: str, hint: str
) -> None:
    folder.write("stores.py", METHODS.format(base).replace(old, new) if old else METHODS.format(base))
    ((found, advice),) = problems(folder, '{type: "stores:Mine"}')
    assert found.startswith("`type` of storage `mine`: ")
    assert message in found
    assert str(advice).startswith(hint)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def save(self, frame, path, resources)", "@staticmethod\n    def save(frame, path, resources)"),
        (LOAD, "load(self, *given, **more)"),
        (LOAD, "load(self, python_type, path, resources, retries=3, *, wait=1)"),
        ("def save(self, frame, path, resources)", "@functools.lru_cache\n    def save(self)"),
        (f"def {LOAD}: ...", "load = functools.partial(print)"),
        (f"def {LOAD}: ...", "def keys(self, a, b): ...\n\nMine.load = print"),
    ],
)
def test_methods_that_may_be_called_are_left(folder: ProjectFolder, old: str, new: str) -> None:
    folder.write("stores.py", METHODS.format("").replace(old, new))
    assert problems(folder, '{type: "stores:Mine"}') == []


def test_calls_are_those_of_the_bases() -> None:
    def called(of: type, names: Iterable[str]) -> dict[str, str]:
        signatures = {name: inspect.signature(getattr(of, name)).parameters.values() for name in names}
        plain = {
            name: [each.replace(annotation=inspect.Parameter.empty) for each in of] for name, of in signatures.items()
        }
        return {name: str(inspect.Signature(each[1:]))[1:-1] for name, each in plain.items()}

    assert called(AssetStorage, AssetStorage.__abstractmethods__) == own_methods._ASSET
    assert called(KeyedStorage, KeyedStorage.__abstractmethods__) == own_methods._KEYED
    assert called(SaveLoadStorage, ["may_replace"]).items() <= own_methods._OPTIONAL.items()
    assert called(KeyedStorage, own_methods._OPTIONAL.keys() - {"may_replace"}).items() <= own_methods._OPTIONAL.items()


def test_a_module_with_a_syntax_error(own: ProjectFolder) -> None:
    own.write("stores.py", "class Mine(:\n")
    ((message, _),) = problems(own, '{type: "stores:Mine"}')
    assert message.startswith("`type` of storage `mine`: syntax error in stores.py")


def test_a_field_that_no_project_file_can_hold(own: ProjectFolder) -> None:
    own.write("stores.py", "class Mine:\n    when: dict[str, int] = {}\n")
    assert problems(own, '{type: "stores:Mine"}') == [
        (
            "`type` of storage `mine`: option `when: dict[str, int]` of Mine is of a type that no project file can "
            "hold (stores.py:2)",
            "make it str, int, float, bool or list[str]; a field that is no option is a `ClassVar`, or begins with `_`",
        )
    ]


def test_unsupported_type_is_refused_on_loading(own: ProjectFolder) -> None:
    tables = "{t: {kind: source, storage: mine, columns: {a: 'list<uint64>', b: 'timestamp[ns]', c: 'timestamp[us]'}}}"
    messages = [message for message, _ in problems(own, '{type: "stores:Mine", options: {endpoint: x}}', tables)]
    assert messages == [
        "storage type stores:Mine cannot hold column `a` of table `t`: `Mine` holds no uint64",
        "storage type stores:Mine cannot hold column `b` of table `t`: `Mine` holds no timestamp[ns]",
    ]


def test_storages_without_a_root_do_not_meet_on_one_path(own: ProjectFolder) -> None:
    own.write(
        "lakehouse.yaml",
        """
        name: own
        module: transforms
        storages:
          a: {type: "stores:Mine", options: {endpoint: a}}
          b: {type: "stores:Mine", options: {endpoint: b}}
        tables:
          one: {kind: source, storage: a, path: x}
          two: {kind: source, storage: b, path: x}
          three: {storage: b, path: x}
        """,
    )
    found = load_project(own.path / "lakehouse.yaml", {}).problems
    assert [p.message for p in found] == ["tables `two` and `three` are stored on one path, `x`"]


@pytest.mark.parametrize("default", ["compute()", "None"])
def test_a_default_that_is_no_plain_value(own: ProjectFolder, default: str) -> None:
    own.write("stores.py", f"class Mine:\n    when: int = {default}\n")
    ((message, _),) = problems(own, '{type: "stores:Mine"}')
    assert message.endswith("the default of option `when` of Mine is no plain value (stores.py:2)")


def test_class_options_are_apart_from_format_options(own: ProjectFolder) -> None:
    own.write(
        "stores.py",
        """
        from lakehouse_cli.storage import KeyedStorage as Keyed
        class Mine(Keyed):
            level: int = 1
            delimiter: str = ","
            head_key = get_key = put_key = delete_key = keys = None
        """,
    )
    assert problems(own, '{type: "stores:Mine", options: {level: 2, null_values: [x]}}') == [
        (
            "option `delimiter` of storage type stores:Mine is also one of format csv",
            "give the field of the class another name",
        )
    ]


def test_classes_of_other_modules_of_the_project(own: ProjectFolder) -> None:
    own.write("plugins/__init__.py", "from .deep import Mine as Exported\n")
    own.write("plugins/deep.py", "import stores\nfrom stores import Base\nclass Mine(Base):\n    depth: int = 0\n")
    read = spec(own, '{type: "plugins:Exported", options: {endpoint: x, depth: 2, retries: 1}}')
    assert read.connection == {"endpoint": "x", "depth": 2, "retries": 1}


def test_the_schema_leaves_options_of_own_types_open() -> None:
    def valid(storage: dict[str, object]) -> bool:
        return Draft7Validator(json_schema()).is_valid({"name": "n", "storages": {"s": storage}, "tables": {}})

    assert valid({"type": "stores:Mine", "options": {"endpoint": "x"}})
    assert valid({"root": "data", "options": {"delimiter": ";"}})
    assert not valid({"root": "data", "options": {"endpint": "x"}})
    assert not valid({"options": {}})


def test_types_of_packages_are_found_by_their_entry_point(
    own: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    info = site / "lake_attic-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lake-attic\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lakehouse.storages]\nattic = lake_attic.storage:Attic\n")
    (site / "lake_attic").mkdir()
    (site / "lake_attic" / "__init__.py").write_text("raise RuntimeError\n")
    (site / "lake_attic" / "storage.py").write_text("class Attic:\n    floor: int\n    save = load = print\n")
    monkeypatch.syspath_prepend(site)
    assert spec(own, "{type: attic, options: {floor: 3}}").connection == {"floor": 3}
    assert problems(own, "{type: atic}") == [("`type` of storage `mine`: there is no `atic`", "did you mean `attic`?")]


@pytest.mark.parametrize(
    "base",
    [
        "import stores\nclass Semi(stores.Base): ...",
        "import inner.stores as st\nAlias = st.Base\nclass Semi(Alias): ...",
        "import inner\nclass Semi(inner.Base): ...",
        "from stores import *\nclass Semi(Base): ...",
        "import stores\nSemi = stores.Base",
        "try:\n    from stores import Base as B\nexcept ImportError:\n    B = object\nclass Semi(B): ...",
    ],
)
def test_what_bases_declare_is_inherited(folder: ProjectFolder, base: str) -> None:
    code = """
        from typing import ClassVar
        import lakehouse_cli as lk

        class Root(lk.AssetStorage):
            root_is: ClassVar[str] = "none"
            sep: str = ","
            level: int = 1
            save = load = print

        class Base(Root):
            root_is = "folder"
            sep = ";"
        """
    folder.write("stores.py", code)
    folder.write("inner/stores.py", code)
    folder.write("inner/__init__.py", "from .stores import Base\n")
    folder.write("st.py", base)
    read = read_type("st:Semi", "st:Semi", folder.path)
    assert (read.root, {each.name: each.default for each in read.options}) == ("folder", {"sep": ";", "level": 1})
    assert "unknown option `seps`" in problems(folder, '{type: "st:Semi", root: semi, options: {seps: x}}')[0][0]


def test_base_that_is_not_found_is_refused(folder: ProjectFolder) -> None:
    for bases, shown in (("make()", "make()"), ("nowhere.Base", "nowhere.Base"), ("Lost", "Lost")):
        folder.write("st.py", f"import nowhere\nclass Semi({bases}): ...\n")
        ((message, hint),) = problems(folder, '{type: "st:Semi", root: semi}')
        expected = f"`type` of storage `mine`: the code does not say where base `{shown}` of Semi comes from (st.py:2)"
        assert (message, hint is not None) == (expected, True)
