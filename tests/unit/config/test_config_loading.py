"""What a project file says, as it arrives in `ProjectSpec`: values, places, defaults, includes, variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lakehouse_cli.config import LoadedSpec, load_project
from lakehouse_cli.formats.csv.spec import CSV
from lakehouse_cli.formats.spec import first_refused
from lakehouse_cli.model import ColumnType

HEAD = "name: test\nmodule: transforms\n"
Load = Callable[..., LoadedSpec]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes `lakehouse.yaml` (and other files) and loads it."""

    def write_and_load(text: str, environ: dict[str, str] | None = None, **files: str) -> LoadedSpec:
        for name, content in {"lakehouse": text, **files}.items():
            (tmp_path / f"{name}.yaml").write_text(content, encoding="utf-8")
        return load_project(tmp_path / "lakehouse.yaml", environ or {})

    return write_and_load


def test_every_key_of_a_computed_table(load: Load) -> None:
    loaded = load(
        HEAD
        + """
tables:
  raw: {kind: source}
  report:
    path: out/report
    function: other.module:summary
    inputs: {frame: raw}
    params: {rate: 3, code: 0123, when: 2024-01-31, on: no, none: ~}
    extra_columns: keep
    columns:
      id: string
      total: {type: "decimal128(10, 2)", nullable: false, description: In euros}
    tags: [a, 1.10]
    description: What came out
    owner: on
    meta: {x: {y: [1, 2.5, true]}}
    key: id
    version: 1.10
    retries: 2
    retry_delay: 500ms
    timeout: 1m
"""
    )
    assert loaded.problems == ()
    table = loaded.spec.tables["report"]
    assert table.path == "out/report"
    assert str(table.function) == "other.module:summary"
    assert table.inputs == {"frame": "raw"}
    assert table.params == {"rate": 3, "code": "0123", "when": "2024-01-31", "on": "no", "none": None}
    assert table.extra_columns == "keep"
    assert table.columns is not None
    assert [(c.name, str(c.type), c.nullable, c.description) for c in table.columns] == [
        ("id", "string", True, None),
        ("total", "decimal128(10, 2)", False, "In euros"),
    ]
    assert table.tags == ("a", "1.10")
    assert table.owner == "on"
    assert table.meta == {"x": {"y": [1, 2.5, True]}}
    assert table.key == ("id",)
    assert table.version == "1.10"
    assert (table.retries, table.retry_delay, table.timeout) == (2, 0.5, 60)


def test_defaults_of_what_is_not_written(load: Load) -> None:
    spec = load(HEAD + "tables: {a: {}, s: {kind: source}}\n").spec
    a, s = spec.tables["a"], spec.tables["s"]
    assert (a.kind, a.storage, a.path, a.columns, a.inputs) == ("computed", "default", "a", None, None)
    assert str(a.function) == "transforms:a"
    assert s.function is None
    assert spec.storages["default"].root == str(spec.folder / "data")
    assert (spec.executor, spec.workers) == ("threads", None)


def test_places_are_those_of_the_values(load: Load) -> None:
    table = load(
        HEAD
        + "tables:\n  t:\n    function: summary\n    inputs: [one, two]\n    params:\n      x: 1\n"
        + "    columns:\n      id: int64\n    key: [id]\n"
    ).spec.tables["t"]
    places = {key: (place.line, place.column, place.length) for key, place in table.locations.items()}
    assert places == {
        "function": (5, 15, 7),
        "inputs": (6, 5, 6),
        "inputs.0": (6, 14, 3),
        "inputs.1": (6, 19, 3),
        "params": (7, 5, 6),
        "params.x": (8, 7, 1),
        "columns": (9, 5, 7),
        "key": (11, 5, 3),
        "key.0": (11, 11, 2),
    }
    assert table.location is not None
    assert str(table.location) == "lakehouse.yaml:4:3"
    assert table.columns is not None
    assert str(table.columns[0].location) == "lakehouse.yaml:10:7"
    assert table.function is not None
    assert str(table.function.location) == "lakehouse.yaml:5:15"


def test_inputs_by_parameter_have_places(load: Load) -> None:
    table = load(HEAD + "tables:\n  t: {inputs: {frame: raw}}\n").spec.tables["t"]
    assert str(table.locations["inputs.frame"]) == "lakehouse.yaml:4:23"


def test_defaults_merge_maps_and_replace_lists(load: Load) -> None:
    loaded = load(
        HEAD
        + """
storages: {default: {options: {delimiter: ";", header: false}}}
defaults:
  tags: [nightly]
  params: {a: 1, b: 2}
  meta: {team: x}
  options: {decimal: ",", header: true}
  retries: 3
tables:
  s: {kind: source}
  t: {tags: [own], params: {b: 3}, options: {skip_rows: 1}, retries: 0}
"""
    )
    assert loaded.problems == ()
    source, table = loaded.spec.tables["s"], loaded.spec.tables["t"]
    assert table.tags == ("own",)
    assert table.params == {"a": 1, "b": 3}
    assert table.meta == {"team": "x"}
    assert table.options == {"delimiter": ";", "decimal": ",", "header": True, "skip_rows": 1}
    assert table.retries == 0
    assert source.tags == ("nightly",)
    assert (source.params, source.retries) == ({}, 0), "a source has no transform that defaults could speak of"


def test_merged_keys_come_first_and_what_is_written_wins(load: Load) -> None:
    columns = (
        load(
            HEAD
            + """
x-a: &a {one: int64, two: int64}
x-b: &b {two: string, three: string}
tables:
  t:
    columns:
      own: bool
      one: date32
      <<: [*a, *b]
"""
        )
        .spec.tables["t"]
        .columns
    )
    assert columns is not None
    assert [(c.name, str(c.type)) for c in columns] == [
        ("one", "date32"),
        ("two", "int64"),
        ("three", "string"),
        ("own", "bool"),
    ]


def test_roots(load: Load) -> None:
    spec = load(
        HEAD
        + """
storages:
  up: {root: ../shared/./x}
  absolute: {root: /srv/lake}
  filled: {root: "${BUCKET}/${DAY:-today}$${x}"}
tables: {}
""",
        {"BUCKET": "s3cr3t"},
    ).spec
    assert spec.storages["up"].root == str(spec.folder.parent / "shared" / "x")
    assert spec.storages["up"].root_text == "../shared/./x"
    assert spec.storages["absolute"].root == "/srv/lake"
    assert spec.storages["filled"].root == str(spec.folder / "s3cr3t" / "today${x}")
    assert spec.storages["filled"].root_text == "${BUCKET}/${DAY:-today}$${x}"


def test_variables_are_read_as_the_key_expects(load: Load) -> None:
    loaded = load(
        HEAD + 'storages: {a: {root: "${R}", options: {skip_rows: "${N}", null_values: ["${E}", "${N}"]}}}\n'
        'execution: {workers: "${N}"}\ntables: {}\n',
        {"N": "4", "R": "2024", "E": ""},
    )
    assert loaded.problems == ()
    assert loaded.spec.workers == 4
    assert loaded.spec.storages["a"].root_text == "${R}"
    assert loaded.spec.storages["a"].options == {"skip_rows": 4, "null_values": ["", "4"]}


def test_variables_are_not_filled_in_elsewhere(load: Load) -> None:
    table = load(HEAD + 'tables: {t: {meta: {x: "${HOME}"}}}\n', {"HOME": "/home/me"}).spec.tables["t"]
    assert table.meta == {"x": "${HOME}"}


def test_includes_are_read_in_order_with_their_own_places(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "b.yaml").write_text("tables: {b: {kind: sauce}}\n")
    (tmp_path / "tables" / "a.yaml").write_text("include: [b.yaml]\ntables: {a: {}}\n")
    loaded = load(HEAD + "include: [tables/*.yaml]\ntables: {top: {}}\n")
    assert list(loaded.spec.tables) == ["top", "a"]
    assert loaded.spec.broken == {"b"}
    assert [str(problem.location) for problem in loaded.problems] == ["tables/b.yaml:1:20"]
    assert str(loaded.spec.tables["a"].location) == "tables/a.yaml:2:10"


def test_an_included_link_may_not_leave_the_project(load: Load, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.yaml").write_text("tables: {a: {}}\n")
    (project / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (project / "lakehouse.yaml").write_text(HEAD + "include: [link.yaml]\ntables: {}\n")
    loaded = load_project(project / "lakehouse.yaml", {})
    assert [problem.message for problem in loaded.problems] == [
        "`link.yaml` is a link that leaves the project's folder"
    ]
    assert loaded.spec.tables == {}


def test_two_roots_may_be_one_folder_by_a_link(load: Load, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    loaded = load(HEAD + "storages: {s: {root: link}}\ntables:\n  a: {path: x}\n  b: {path: x, storage: s}\n")
    assert [problem.message for problem in loaded.problems] == ["tables `a` and `b` are stored on one path, `x`"]


def test_paths_that_differ_only_in_unicode_form_are_one(load: Load) -> None:
    loaded = load(HEAD + "tables:\n  a: {path: \u00fc}\n  b: {path: u\u0308}\n")
    assert len(loaded.problems) == 1


def test_spec_is_as_complete_as_can_be(load: Load) -> None:
    spec = load(
        HEAD
        + "storages: {s: {root: 's3://x'}}\ntables:\n  a: {retries: many, columns: {x: int, y: int64}, storage: s}\n"
        + "  b: 3\n  c: {inputs: {x y: a}}\n"
    ).spec
    assert spec.broken == {"b", "c"}
    columns = spec.tables["a"].columns
    assert columns is not None
    assert [column.name for column in columns] == ["y"]
    assert spec.storages["s"].name == "s"


def test_without_a_module_a_table_has_no_function(load: Load) -> None:
    loaded = load("name: x\ntables: {a: {}}\n")
    assert loaded.spec.tables["a"].function is None
    assert [problem.message for problem in loaded.problems] == [
        "`module` is missing: computed table `a` has its function there"
    ]


def test_a_type_that_the_format_cannot_hold(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal(column_type: ColumnType) -> str | None:
        found = first_refused(column_type, lambda each: each.id == "binary")
        return f"`{found}` is no text" if found else None

    narrow = replace(CSV, refusal=refusal)
    monkeypatch.setattr("lakehouse_cli.formats.FORMATS", {"csv": narrow})
    loaded = load(HEAD + "tables:\n  t:\n    columns:\n      a: {type: list<binary>}\n      b: int64\n")
    assert [(problem.message, str(problem.location)) for problem in loaded.problems] == [
        ("format csv cannot hold column `a` of table `t`: `binary` is no text", "lakehouse.yaml:6:17")
    ]


def test_problems_are_sorted_by_file_and_place(load: Load) -> None:
    loaded = load(HEAD + "include: [a.yaml]\ntables: {t: {x: 1}, u: {kind: 3}}\nzzz: 1\n", a="aaa: 1\nbbb: 1\n")
    assert [str(problem.location) for problem in loaded.problems] == [
        "lakehouse.yaml:4:14",
        "lakehouse.yaml:4:31",
        "lakehouse.yaml:5:1",
        "a.yaml:1:1",
        "a.yaml:2:1",
    ]


def test_shown_lines_have_no_secrets_of_the_file(load: Load) -> None:
    url = "postgresql://me:hunter2@127.0.0.1/db"
    key = "secret_access_key: hunter2"
    loaded = load(
        HEAD + f"storages:\n  a: {{root: '{url}', rooot: 1}}\n  b: {{root: 's3://b', options: {{{key}, x: 1}}}}\n"
    )
    lines = [problem.location.source for problem in loaded.problems if problem.location]
    assert len(lines) >= 2
    assert "hunter2" not in "".join(map(str, loaded.problems)) + "".join(map(str, lines))
    assert any("postgresql://me:*******@127.0.0.1/db" in str(line) for line in lines)
    assert loaded.spec.storages["a"].location is not None
    assert "hunter2" not in str(loaded.spec.storages["a"].location.source)


@pytest.mark.parametrize("key", ["PASSWORD", "sas_key", "Access_Key", "apiKey"])
def test_secret_is_hidden_in_every_case_of_its_name(load: Load, key: str) -> None:
    loaded = load(HEAD + f"tables: {{}}\nstorages:\n  b: {{root: data, options: {{\n    {key}: hunter2}}}}\n")
    (source,) = (problem.location.source for problem in loaded.problems if problem.location)
    assert source == f"    {key}: *******}}}}"


def test_a_type_that_is_meant_is_named_once(load: Load) -> None:
    loaded = load("name: x\nmodule: m\ntables: {a: {columns: {day: date31}}}\n")
    assert [problem.hint for problem in loaded.problems] == ["did you mean `date32`?"]


def test_long_decimals_of_a_query_are_refused(load: Load) -> None:
    loaded = load(
        """
        name: x
        defaults: {params: {pi: 3.14159265358979323846, top: 1e400}}
        tables:
          t:
            sql: select $pi, $top, $some
            params:
              top: 2.50
              some: [0.1, {a: 12345678901234567.89}, "12345678901234567.89", 12345678901234567890]
          f: {function: m:f}
        """
    )
    assert [(problem.message, problem.location.line) for problem in loaded.problems if problem.location] == [
        ("param `pi` of table `t` has more digits than a number keeps", 3),
        ("param `some` of table `t` has more digits than a number keeps", 9),
    ]
