"""Tables kept between runs: what is loaded with them is what is loaded without, and nothing secret is among them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_cli.config import LoadedSpec, load_project, tables_cache
from tests.cases import each_case
from tests.unit.config.test_config_corpus import CORPUS, ENVIRON, GOOD
from tests.unit.config.test_config_mutations import TEXTS, mutated

PROJECT = """\
name: shop
module: transforms
storages:
  default: {root: data}
  raw: {root: raw, format: csv, options: {delimiter: ";"}}
tables:
  orders:
    kind: source
    storage: raw
    columns: {id: int64, day: date32}
  totals:
    columns:
      day: date32
      total: {type: float64, nullable: false}
    key: day
    params: {least: 0.5, most: 10, big: 12345678901234567890123, names: [a, "1"], deep: {yes: null}}
"""
KEPT = ".lakehouse/cache/tables-default.json"


def keep(path: Path, environ: dict[str, str] | None = None, environment: str = "default") -> LoadedSpec:
    """Load a project as a run does, which keeps its tables."""
    loaded = load_project(path, environ or {}, environment)
    if loaded.reading is not None:
        loaded.reading.keep()
    return loaded


def everything(loaded: LoadedSpec) -> str:
    """All that is loaded, with every place and every type of a value."""
    return repr((loaded.spec, loaded.problems, loaded.variables, loaded.readable))


def fresh(path: Path, environ: dict[str, str] | None = None, environment: str = "default") -> str:
    """All that is loaded where nothing is kept."""
    shutil.rmtree(path.parent / ".lakehouse", ignore_errors=True)
    return everything(load_project(path, environ or {}, environment))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lakehouse.yaml"
    path.write_text(PROJECT.replace(", big: 12345678901234567890123", ""), encoding="utf-8")
    return path


def test_tables_are_read_once(file: Path) -> None:
    first = keep(file)
    assert first.reading is not None
    again = load_project(file, {})
    assert again.reading is None, "the tables were read anew"
    assert everything(again) == everything(first)


@each_case("path", GOOD)
def test_good_files_load_as_without(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path.parent if path.name == "lakehouse.yaml" else CORPUS / "good", tmp_path, dirs_exist_ok=True)
    copied = tmp_path / path.name
    first = keep(copied, ENVIRON)
    again = load_project(copied, ENVIRON)
    assert everything(again) == everything(first)
    if path.stem in ("weather", "every_type", "defaults") or path.parent.name in ("included", "only_include"):
        assert again.reading is None, "nothing was kept"


@each_case("end", ["", "\n", "\n\n", " ", "  # last", "\n# last", "\nmodule: m", "\nmodule: m\n"])
@each_case(
    "last",
    ["  a: {kind: source}", "  a:\n    kind: source", "  a: {kind: source,\n    tags: [x]}", "  a:\n    tags: [x]"],
)
def test_files_of_every_end_load_as_without(tmp_path: Path, last: str, end: str) -> None:
    path = tmp_path / "lakehouse.yaml"
    path.write_text(f"name: a\ntables:\n  b: {{kind: source}}\n{last}{end}", encoding="utf-8")
    first = keep(path)
    assert everything(load_project(path, {})) == everything(first)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("id: int64", "id: int32"),
        ("storage: raw", "storage: rwa"),
        ("kind: source", "kind: suorce"),
        ("key: day", "key: nothing"),
        ("root: raw, format: csv", "root: raw, format: parquet"),
        ('delimiter: ";"', 'delimiter: ","'),
        ("name: shop", "nmae: shop"),
        ("  default: {root: data}\n", ""),
        ("module: transforms\n", ""),
        ("tables:\n", "tables:\n\n\n"),
        ("root: data", "type: sqlite, root: data"),
        ("params:", "prams:"),
    ],
)
def test_edited_files_load_as_without(file: Path, old: str, new: str) -> None:
    keep(file)
    file.write_text(file.read_text("utf-8").replace(old, new), encoding="utf-8")
    loaded = everything(load_project(file, {}))
    assert loaded == fresh(file)


def test_included_files_that_come_change_and_go(tmp_path: Path) -> None:
    path, folder = tmp_path / "lakehouse.yaml", tmp_path / "tables"
    folder.mkdir()
    path.write_text("name: a\nmodule: m\ninclude: [tables/*.yaml]\n", encoding="utf-8")
    (folder / "b.yaml").write_text("tables:\n  b: {columns: {x: int64}}\n", encoding="utf-8")
    (folder / "c.yaml").write_text("tables:\n  c: {columns: {x: int64}}\n", encoding="utf-8")

    def same() -> LoadedSpec:
        loaded = keep(path)
        without = fresh(path)
        assert everything(loaded) == without
        return keep(path)

    same()
    assert load_project(path, {}).reading is None
    for name, text in {
        "a": "tables:\n  a: {columns: {x: int64}}\n",
        "b": "tables:\n  b: {columns: {x: string}}\n",
        "c": "tables:\n  b: {columns: {x: string}}\n",  # declared twice now
        "d": "include: [e/*.yaml]\n",
    }.items():
        keep(path)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        same()
    (folder / "a.yaml").unlink()
    (folder / "c.yaml").unlink()
    assert [*same().spec.tables] == ["b"]


def test_links_that_come_later_are_found(file: Path) -> None:
    file.write_text(PROJECT.replace("  orders:\n", "  totals2: {path: other/totals}\n  orders:\n"), encoding="utf-8")
    file.write_text(file.read_text("utf-8").replace(", big: 12345678901234567890123", ""), encoding="utf-8")
    (file.parent / "data/other").mkdir(parents=True)
    assert keep(file).problems == ()
    assert load_project(file, {}).reading is None
    (file.parent / "data/other").rmdir()
    (file.parent / "data/other").symlink_to(".")
    found = load_project(file, {})
    assert len(found.problems) == 1
    assert everything(found) == fresh(file)


def test_damage_is_not_read(file: Path) -> None:
    without = fresh(file)
    keep(file)
    kept = file.parent / KEPT
    whole = kept.read_bytes()
    for damaged in (whole[:-1], whole[:40], b"", whole.replace(b"int64", b"int32"), b"\0" * 50, whole + b" "):
        assert damaged != whole
        kept.write_bytes(damaged)
        assert everything(load_project(file, {})) == without
    kept.unlink()
    kept.mkdir()
    assert everything(load_project(file, {})) == without


@pytest.mark.parametrize("what", ["version", "format", "python"])
def test_another_version_reads_anew(file: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    keep(file)
    if what == "python":
        monkeypatch.setattr("sys.version", "4.0")
    else:
        monkeypatch.setattr(tables_cache, {"version": "__version__", "format": "_FORMAT"}[what], "0")
    assert load_project(file, {}).reading is not None


def test_what_cannot_be_written_is_no_trouble(file: Path) -> None:
    (file.parent / ".lakehouse").write_text("in the way", encoding="utf-8")
    first = keep(file)
    assert everything(load_project(file, {})) == everything(first)
    assert sorted(each.name for each in file.parent.iterdir()) == [".lakehouse", "lakehouse.yaml"]


def test_values_that_json_does_not_give_back_are_not_kept(file: Path) -> None:
    for value in ("12345678901234567890123", ".inf", ".nan"):
        file.write_text(PROJECT.replace("12345678901234567890123", value), encoding="utf-8")
        first = keep(file)
        assert not (file.parent / KEPT).exists()
        assert everything(load_project(file, {})) == everything(first)


SECRETS = """\
name: shop
module: transforms
x-shared: &note hunter2-extension
storages:
  default: {root: data}
  lake:
    root: s3://bucket
    options:
      secret_access_key: &key hunter2-key
      access_key_id: ${ID}
execution: {executor: threads}
environments:
  prod: {storages: {lake: {options: {secret_access_key: hunter2-prod}}}}
tables:
  orders: {kind: source, storage: lake}
  totals: {columns: {day: date32}}
"""


def everything_kept(folder: Path) -> str:
    return "".join(each.read_text("utf-8") for each in folder.rglob(".lakehouse/**/*") if each.is_file())


def test_secrets_of_storages_are_not_kept(tmp_path: Path) -> None:
    path, environ = tmp_path / "lakehouse.yaml", {"ID": "hunter2-id"}
    path.write_text(SECRETS, encoding="utf-8")
    for environment in ("default", "prod"):
        first = keep(path, environ, environment)
        assert first.problems == ()
        assert load_project(path, environ, environment).reading is None, "nothing was kept"
    assert "hunter2" not in everything_kept(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("totals: {", "totals: {description: *key, "),  # stands in a line of a storage
        ("  default: {root: data}", "  default: {root: data, options: {null_values: ['${ID}']}}"),
    ],
)
def test_tables_with_what_is_secret_are_not_kept(tmp_path: Path, old: str, new: str) -> None:
    path, environ = tmp_path / "lakehouse.yaml", {"ID": "hunter2-id"}
    path.write_text(SECRETS.replace(old, new), encoding="utf-8")
    first = keep(path, environ)
    assert first.problems == ()
    assert "hunter2" not in everything_kept(tmp_path)
    assert everything(load_project(path, environ)) == everything(first)


def test_value_of_a_variable_counts(tmp_path: Path) -> None:
    path = tmp_path / "lakehouse.yaml"
    path.write_text(PROJECT.replace("root: data", "root: '${LAKE}'").replace(", big: 1", ", x: 1"), encoding="utf-8")
    keep(path, {"LAKE": "data"})
    for environ in ({"LAKE": "s3://bucket"}, {"LAKE": "other"}, {}, {"LAKE": "~"}):
        assert everything(load_project(path, environ)) == fresh(path, environ)
        keep(path, {"LAKE": "data"})


def test_validating_reads_all_anew(file: Path) -> None:
    keep(file)
    assert load_project(file, {}, thorough=True).reading is not None


LAWS: Callable[..., Callable[..., None]] = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.mark.slow
@LAWS
@given(text=mutated(), before=st.sampled_from(TEXTS), kept_too=st.booleans())
def test_mutated_files_load_as_without(tmp_path: Path, text: str, before: str, kept_too: bool) -> None:
    path = tmp_path / "lakehouse.yaml"
    for each in (before, *([text] if kept_too else [])):
        path.write_bytes(each.encode())
        keep(path, ENVIRON)
    path.write_bytes(text.encode())
    loaded = everything(load_project(path, ENVIRON))
    assert loaded == fresh(path, ENVIRON)
