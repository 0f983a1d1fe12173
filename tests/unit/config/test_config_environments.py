"""Environments: what an override changes and what stays, whose variables must be set, and the `.env` file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from msgspec.structs import replace

from lakehouse_cli.config import LoadedSpec, load_project
from lakehouse_cli.config.keys import ENVIRONMENT_KEYS, STORAGE_KEYS
from lakehouse_cli.config.value_types import Choice
from lakehouse_cli.formats import FORMATS, FormatOption, FormatSpec
from lakehouse_cli.storage_types import STORAGE_TYPES, StorageType

Load = Callable[..., LoadedSpec]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def write_and_load(text: str, environment: str = "prod", *, thorough: bool = False, **environ: str) -> LoadedSpec:
        (tmp_path / "lakehouse.yaml").write_text("name: x\nmodule: m\n" + dedent(text), "utf-8")
        return load_project(tmp_path / "lakehouse.yaml", environ, environment, thorough=thorough)

    return write_and_load


@pytest.fixture
def other_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second format and types of storage beside files, so that an override may change them."""
    lines = FormatSpec("lines", "x:X", ".l", options=(FormatOption("indent", 0, {"type": "integer"}, ""),))
    stub = StorageType("stub", "x:X", root="none", options=(FormatOption("size", 0, {"type": "integer"}, ""),))
    remote = StorageType("remote", "x:X", root="url", schemes=("remote",), formats=True)
    replaced = {
        "FORMATS": {"csv": FORMATS["csv"], "lines": lines},
        "STORAGE_TYPES": {"files": STORAGE_TYPES["files"], "stub": stub, "remote": remote},
        "SCHEMES": {"remote": "remote"},
    }
    # All that know them, or one that is first loaded meanwhile would keep these.
    for module in ("clusters", "environments", "storages", "tables", "paths", "url_variables"):
        for name, specs in replaced.items():
            monkeypatch.setattr(f"lakehouse_cli.config.{module}.{name}", specs, raising=False)
    monkeypatch.setattr("lakehouse_cli.storage_types.STORAGE_TYPES", replaced["STORAGE_TYPES"])
    words = {**STORAGE_KEYS, "format": replace(STORAGE_KEYS["format"], type=Choice(("csv", "lines")))}
    monkeypatch.setattr("lakehouse_cli.config.storages.STORAGE_KEYS", words)


def test_what_is_not_named_stays(load: Load, tmp_path: Path) -> None:
    text = """
    storages:
      default: {root: data, options: {delimiter: ";", null_values: [NA]}}
      raw: {root: raw}
    execution: {executor: serial, workers: 2}
    environments:
      prod:
        storages:
          default: {root: /srv/prod, options: {delimiter: ","}}
        execution: {workers: 8}
    tables:
      t: {}
    """
    spec = load(text).spec
    assert (spec.environment, spec.storages["default"].root) == ("prod", "/srv/prod")
    assert spec.storages["default"].options == {"delimiter": ",", "null_values": ["NA"]}
    assert spec.storages["raw"].root == str(tmp_path / "raw")
    assert (spec.executor, spec.workers) == ("serial", 8)
    assert spec.tables["t"].options == {"delimiter": ",", "null_values": ["NA"]}
    base = load(text, "default").spec
    assert (base.storages["default"].root, base.workers) == (str(tmp_path / "data"), 2)
    assert base.tables["t"].options == {"delimiter": ";", "null_values": ["NA"]}


def test_the_implied_default_storage_may_be_overridden(load: Load) -> None:
    spec = load("environments: {prod: {storages: {default: {root: /srv}}}}\ntables: {}").spec
    assert spec.storages["default"].root == "/srv"


@pytest.mark.usefixtures("other_kinds")
@pytest.mark.parametrize(
    ("override", "kind", "form", "options", "connection"),
    [
        ("{format: lines}", "files", "lines", {}, {}),
        ("{format: lines, options: {indent: 2}}", "files", "lines", {"indent": 2}, {}),
        ("{format: csv}", "files", "csv", {"delimiter": ";"}, {}),
        ("{root: 'remote://x'}", "remote", "csv", {"delimiter": ";"}, {}),
        ("{root: 'remote://${BUCKET}'}", "remote", "csv", {"delimiter": ";"}, {}),
        ("{root: '${ELSEWHERE}/x'}", "remote", "csv", {"delimiter": ";"}, {}),
        ("{root: '${FOLDER}/x'}", "files", "csv", {"delimiter": ";"}, {}),
        ("{root: 'remote://x', format: lines}", "remote", "lines", {}, {}),
        ("{type: stub}", "stub", "", {}, {}),
        ("{type: stub, options: {size: 3}}", "stub", "", {}, {"size": 3}),
    ],
)
def test_options_of_the_former_do_not_go_along(
    load: Load, override: str, kind: str, form: str, options: dict[str, object], connection: dict[str, object]
) -> None:
    text = f"""
    storages: {{default: {{root: data, format: csv, options: {{delimiter: ";"}}}}}}
    environments: {{prod: {{storages: {{default: {override}}}}}}}
    tables: {{t: {{kind: source}}}}
    """
    loaded = load(text, BUCKET="b", ELSEWHERE="remote://y", FOLDER="/srv")
    assert [problem.message for problem in loaded.problems] == []
    storage = loaded.spec.storages["default"]
    assert (storage.type, storage.format, storage.options) == (kind, form, options)
    assert storage.connection == connection


@pytest.mark.parametrize("base_format", ["", "format: csv, "])
@pytest.mark.parametrize(
    ("override", "kind", "options", "connection"),
    [
        ("{root: 's3://x/y'}", "s3", {"delimiter": ";"}, {}),
        ("{root: elsewhere}", "files", {"delimiter": ";"}, {}),
        ("{root: 'postgresql://x/y'}", "postgresql", {}, {"schema": "weird"}),
    ],
)
def test_options_of_an_unknown_storage_are_not_merged(
    load: Load, base_format: str, override: str, kind: str, options: dict[str, object], connection: dict[str, object]
) -> None:
    text = f"""
    storages: {{default: {{root: "${{WH}}", {base_format}options: {{schema: weird, delimiter: ";"}}}}}}
    environments: {{prod: {{storages: {{default: {override}}}}}}}
    tables: {{}}
    """
    loaded = load(text)
    assert [problem.message for problem in loaded.problems] == []
    storage = loaded.spec.storages["default"]
    assert (storage.type, storage.options, storage.connection) == (kind, options, connection)


def test_unset_root_reports_the_variable_alone(load: Load) -> None:
    text = """
    storages: {default: {root: "${WH}", options: {schema: weird}}}
    tables: {t: {kind: source, options: {sheet: 1}, path: "a/b/c"}}
    """
    assert [problem.message for problem in load(text, "default").problems] == ["environment variable `WH` is not set"]


def test_only_variables_of_the_environment_must_be_set(load: Load) -> None:
    text = """
    storages:
      default: {root: "${BASE}"}
    environments:
      prod: {storages: {default: {root: "${PROD}"}}}
      test: {storages: {default: {root: "${TEST}"}}}
    tables: {}
    """
    loaded = load(text, PROD="/p")
    assert loaded.problems == ()
    assert loaded.spec.storages["default"].root == "/p"
    assert loaded.variables == {"PROD": "/p"}
    (problem,) = load(text, "default", PROD="/p", thorough=True).problems
    assert str(problem.location) == "lakehouse.yaml:5:20"
    assert problem.message == "environment variable `BASE` is not set"
    (problem,) = load(text, "test").problems
    assert problem.message == "environment variable `TEST` is not set"


def test_problem_of_the_base_is_reported_once(load: Load) -> None:
    text = """
    storages:
      default: {root: data, options: {delimitr: ";"}}
      raw: {root: raw}
    environments:
      prod: {storages: {raw: {root: /raw}}}
      test: {}
    tables: {}
    """
    for environment in ("default", "prod", "test"):
        (problem,) = load(text, environment, thorough=True).problems
        assert problem.message == "unknown option `delimitr` of format csv in storage `default`"


def test_values_are_shown_as_they_are_written(load: Load) -> None:
    text = """
    storages:
      default: {root: "pg://me:hunter2@host/${DB}?password=hunter3&x=1", options: {secret_key: hunter4, token: "${T}"}}
    execution: {workers: "${WORKERS:-2}"}
    tables: {}
    """
    written = load(text, "default", DB="db", T="hunter5").spec.environments["default"]
    assert written.written["default"]["options"] == {"secret_key": "***", "token": "${T}"}
    assert "hunter" not in f"{written.written}"
    assert written.execution == {"workers": "${WORKERS:-2}"}


def test_all_environments_are_validated_on_request(load: Load) -> None:
    text = """
    storages: {other: {root: other}}
    environments: {prod: {}, same: {storages: {other: {root: data}}}}
    tables: {a: {}, b: {path: a, storage: other}}
    """
    assert load(text).problems == ()
    loaded = load(text, thorough=True)
    assert [p.message for p in loaded.problems] == [
        "environment `same`: tables `a` and `b` are stored on one path, `a`"
    ]
    assert [spec.environment for spec in loaded.others] == ["default", "same"]


def test_keys_of_an_environment_are_those_of_the_contract() -> None:
    assert list(ENVIRONMENT_KEYS) == ["description", "storages", "execution", "params"]


DOTENV = r"""
# a comment
export LAKE=/from/file   # and another
  SPACED = a b#c
SINGLE='as \n is # "it"'  # comment
DOUBLE="a\tb \"c\" \\ \$D \q"
EMPTY=
URL=pg://u:p@h/x?a=b
"""


def test_unset_variables_come_from_the_env_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LAKE=/from/file\nROOT=/file\n", "utf-8")
    text = 'storages: {default: {root: "${LAKE}"}, other: {root: "${ROOT}"}}\ntables: {}'
    loaded = load(text, "default", LAKE="/from/process")
    assert [loaded.spec.storages[name].root for name in ("default", "other")] == ["/from/process", "/file"]
    assert loaded.variables == {"LAKE": "/from/process", "ROOT": "/file"}


@pytest.mark.parametrize("break_", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_grammar_of_the_file(load: Load, tmp_path: Path, break_: str, mark: str) -> None:
    (tmp_path / ".env").write_bytes((mark + DOTENV).replace("\n", break_).encode())
    names = ("LAKE", "SPACED", "SINGLE", "DOUBLE", "EMPTY", "URL")
    values = ", ".join(f'"${{{name}}}"' for name in names)
    loaded = load(f"storages: {{default: {{options: {{null_values: [{values}]}}}}}}\ntables: {{}}", "default")
    assert loaded.problems == ()
    assert loaded.spec.storages["default"].options["null_values"] == [
        "/from/file", "a b#c", 'as \\n is # "it"', 'a\tb "c" \\ $D \\q', "", "pg://u:p@h/x?a=b",
    ]  # fmt: skip


def test_problems_of_dot_env_hide_its_text(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('A=1\nhunter2\n  B = \'hunter2\nC="x" hunter2\n', "utf-8")
    text = 'storages: {default: {root: "${A}"}}\ntables: {}'
    problems = load(text, "default").problems
    assert [(str(p.location), p.message) for p in problems] == [
        (".env:2:1", "line 2 of `.env` sets no variable"),
        (".env:3:7", "the value of `B` in `.env` has quotes that do not fit"),
        (".env:4:3", "the value of `C` in `.env` has quotes that do not fit"),
    ]
    assert "hunter2" not in f"{problems}"
    assert load(text, "default", A="1").problems == (), "a file that nobody needs is nobody's problem"


def test_a_file_that_cannot_be_read(load: Load, tmp_path: Path) -> None:
    text = 'storages: {default: {root: "${A:-x}"}}\ntables: {}'
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    (problem,) = load(text, "default").problems
    assert problem.message == "`.env` is not UTF-8"
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()
    assert load(text, "default").problems == (), "a folder of that name is a virtual environment"
    (tmp_path / ".env").rmdir()
    (tmp_path / ".env").symlink_to(".env")
    (problem,) = load(text, "default").problems
    assert problem.message.startswith("`.env` cannot be read: ")
