"""`validate`, `plan`, `ls`, `show`, `schema`, `init`, and what is the same for all commands."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_cli.cli.commands import NAMES, Commands
from lakehouse_cli.errors import LakehouseError, Location
from lakehouse_cli.project.facade import Project
from lakehouse_cli.project.planning import Planner
from lakehouse_cli.registry import EXTRAS
from lakehouse_cli.version import __version__
from tests.conftest import Cli, ProjectFolder

COMMANDS = [
    "init",
    "validate",
    "plan",
    "run",
    "check",
    "accept",
    "test",
    "ls",
    "show",
    "open",
    "sql",
    "diff",
    "copy",
    "graph",
    "env",
    "clean",
    "schema",
    "runs",
]


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version").out == f"lakehouse {__version__}\n"
    shown = cli("--help")
    assert shown.code == 0
    assert list(NAMES) == COMMANDS
    for command, summary in NAMES.items():
        assert Commands()[command].get_short_help_str(100) == summary
        assert f"\n  {command} " in shown.out
        text = cli(command, "--help").out
        assert "Examples:\n    lakehouse " in text
        assert all(len(line) <= 100 for line in text.splitlines())


def test_validate_says_what_there_is(project: ProjectFolder, cli: Cli) -> None:
    assert cli("validate").out == "small is valid: 3 tables (1 source, 2 computed)\n"
    assert cli("validate", "-o", "json").json == {
        "project": "small",
        "valid": True,
        "tables": 3,
        "sources": 1,
        "computed": 2,
        "environments": ["default"],
        "notes": [],
    }


def test_all_problems_of_file_and_module_at_once(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "key: [customer]", "kee: [customer]")
    project.add("lakehouse.yaml", "  hotest:\n    function: bst\n")
    ran = cli("validate")
    assert ran.code == 3
    assert "error: unknown key `kee` in table `totals`\n  lakehouse.yaml:11:5\n" in ran.err
    assert "11 |     kee: [customer]\n   |     ^^^  did you mean `key`?" in ran.err
    assert "error: function `bst` is not in transforms.py\n  lakehouse.yaml:18:15\n" in ran.err
    assert "did you mean `best` (transforms.py:8)?" in ran.err
    assert ran.err.endswith("\n2 problems\n")
    assert cli("run").err.endswith("\n2 problems; nothing ran\n")
    document = cli("run", "-o", "json")
    assert document.code == 3
    problems = document.json["error"]["problems"]
    assert [(p["file"], p["line"], p["column"]) for p in problems] == [
        ("lakehouse.yaml", 11, 5),
        ("lakehouse.yaml", 18, 15),
    ]


def test_plan_gives_the_documented_json(project: ProjectFolder, cli: Cli) -> None:
    document = cli("plan", "-o", "json").json
    assert document["project"] == "small"
    assert document["environment"] == "default"
    assert document["tables"] == [
        {
            "name": "orders",
            "kind": "source",
            "storage": "default",
            "uri": "data/orders.csv",
            "inputs": [],
            "action": "read",
            "reasons": [],
            "schema_change": None,
            "would_fail": None,
            "notes": [],
        },
        {
            "name": "totals",
            "kind": "computed",
            "storage": "default",
            "uri": "data/totals.csv",
            "inputs": ["orders"],
            "action": "run",
            "reasons": [{"code": "never_materialized", "message": "never materialized"}],
            "schema_change": None,
            "would_fail": None,
            "notes": [],
        },
        {
            "name": "best",
            "kind": "computed",
            "storage": "default",
            "uri": "data/best.csv",
            "inputs": ["totals"],
            "action": "run",
            "reasons": [
                {"code": "never_materialized", "message": "never materialized"},
                {"code": "upstream_runs", "message": "`totals` runs"},
            ],
            "schema_change": None,
            "would_fail": None,
            "notes": [],
        },
    ]
    assert project.files() == ["orders.csv"]


def test_plan_exit_code(project: ProjectFolder, cli: Cli) -> None:
    assert cli("plan").code == 0
    assert cli("plan", "--exit-code").code == 4
    assert cli("plan", "--exit-code", "state:failed").code == 0
    assert cli("plan", "--exit-code", "tag:none").code == 2


def test_ls(project: ProjectFolder, cli: Cli) -> None:
    lines = cli("ls").out.splitlines()
    assert lines[0].split() == ["table", "kind", "storage", "path", "tags"]
    assert lines[3].split() == ["best", "computed", "default", "best", "report,", "short"]
    assert [t["name"] for t in cli("ls", "tag:report", "-o", "json").json["tables"]] == ["totals", "best"]
    totals = cli("ls", "totals", "-o", "json").json["tables"][0]
    assert totals == {
        "name": "totals",
        "kind": "computed",
        "storage": "default",
        "path": "totals",
        "format": "csv",
        "uri": "data/totals.csv",
        "columns": [
            {"name": "customer", "type": "string", "nullable": False, "description": None, "from": None, "options": {}},
            {"name": "total", "type": "int64", "nullable": False, "description": None, "from": None, "options": {}},
        ],
        "inputs": ["orders"],
        "description": None,
        "owner": None,
        "tags": ["report"],
        "meta": {},
    }


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (("run", "--fore"), "no such option: --fore", "did you mean `--force`?"),
        (("run", "--retries", "3"), "no such option: --retries", "`lakehouse run --help` shows what it takes"),
        (("run", "--wait=3"), "option `--wait` does not take a value", "`lakehouse run --help` shows what it takes"),
        (("run", "--workers", "0"), "invalid value for `--workers`: the number of workers is 1 or more", "run --help"),
        (("run", "--workers", "x"), "invalid value for `--workers`: `x` is not a whole number", "run --help"),
    ],
)
def test_a_wrong_option(cli: Cli, argv: tuple[str, ...], message: str, hint: str) -> None:
    ran = cli(*argv)
    assert (ran.code, ran.out) == (2, "")
    reported, next_ = ran.err.splitlines()
    assert reported == f"error: {message}"
    assert hint in next_
    assert "Possible" not in next_


def test_ls_quietly_gives_the_names_alone(project: ProjectFolder, cli: Cli) -> None:
    assert cli("ls", "-q").out == "orders\ntotals\nbest\n"
    ran = cli("ls", "-q", "state:failed")
    assert (ran.code, ran.out, ran.err) == (0, "", "`state:failed` matches no table\n")


def test_a_tag_of_several_words_is_selected_by_a_pattern(project: ProjectFolder, cli: Cli) -> None:
    tags = 'tags: [report, short, "big orders", "q,r", "+z"]'
    project.edit("lakehouse.yaml", "tags: [report, short]", tags)
    for pattern in ("tag:big?orders", "tag:q?r", "tag:?z"):
        assert cli("ls", pattern, "-q").out == "best\n"
        assert f"`{pattern}`" in cli("ls", "tag:none").err
    assert "did you mean `tag:big?orders`?" in cli("ls", "tag:big_orders").err


@pytest.mark.parametrize(
    "argv",
    [
        ("plan",),
        ("run",),
        ("run", "--dry-run"),
        ("ls",),
        ("graph",),
        ("diff",),
        ("diff", "--against", "dev"),
        ("copy", "--to", "dev"),
    ],
)
def test_selection_without_match_is_a_note_in_json(project: ProjectFolder, cli: Cli, argv: tuple[str, ...]) -> None:
    dev = "environments: {dev: {storages: {default: {root: dev}}}}\n"
    project.add("lakehouse.yaml", dev)
    ran = cli(*argv, "state:failed", "-o", "json")
    assert (ran.code, ran.err) == (0, "`state:failed` matches no table\n")
    assert ran.json.get("nodes", ran.json.get("tables")) == []
    refused = cli(*argv, "tag:repotr", "-o", "json")
    assert refused.code == 2
    assert "did you mean `tag:report`?" in refused.out + refused.err


def test_errors_of_any_command_hide_values_of_variables(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = project.read("lakehouse.yaml")
    options = 'storages: {default: {root: data, options: {null_values: ["", "${MISSING}"]}}}\ntables:\n'
    project.write("lakehouse.yaml", text.replace("tables:\n", options, 1))
    monkeypatch.setenv("MISSING", "s3cr3t")

    def leaking(self: object, *argv: object, **more: object) -> None:
        raise LakehouseError("cannot say s3cr3t", hint="not s3cr3t", location=Location("s3cr3t.py", 1, source="s3cr3t"))

    monkeypatch.setattr(Project, "show", leaking)
    monkeypatch.setattr(Planner, "plan", leaking)
    for argv in (["show", "totals"], ["plan"], ["plan", "-o", "json"], ["run", "--dry-run", "-v"]):
        ran = cli(*argv)
        assert ran.code == 1
        assert "cannot say ${MISSING}" in ran.out + ran.err
        assert "s3cr3t" not in ran.out + ran.err


def test_show(project: ProjectFolder, cli: Cli) -> None:
    refused = cli("show", "totals")
    assert refused.code == 1
    assert "`totals` was never materialized" in refused.err
    cli("run")
    document = cli("show", "totals", "-n", "1", "-o", "json").json
    assert document["name"] == "totals"
    assert document["uri"] == "data/totals.csv"
    assert document["row_count"] == 2
    assert document["rows"] == [{"customer": "007", "total": 6}]
    total = {"name": "total", "type": "int64", "nullable": False, "description": None, "from": None, "options": {}}
    assert document["columns"][1] == total
    text = cli("show", "totals").out
    assert "totals · data/totals.csv · 2 rows" in text
    assert "  007           6\n" in text
    assert cli("show", "totals", "-n", "1").out.endswith("  … and 1 more row\n")
    assert cli("show", "nothing").code == 2
    assert cli("show", "totals", "-n", "-1").code == 2


def test_show_writes_what_json_has_no_type_for_as_text(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: types
        tables:
          t:
            kind: source
            columns:
              a: timestamp[ns]
              b: decimal128(30, 3)
              c: float64
              d: binary
              e: "list<date32>"
              f: duration[ms]
              g: string
        """,
    )
    folder.write(
        "data/t.csv",
        "a,b,c,d,e,f,g\n"
        '2020-01-02 03:04:05.123456789,123456789012345678901234567.125,nan,aGk=,"[""2020-01-02""]",,""\n',
    )
    row = cli("show", "t", "-o", "json").json["rows"][0]
    assert row == {
        "a": "2020-01-02 03:04:05.123456789",
        "b": "123456789012345678901234567.125",
        "c": "nan",
        "d": "aGk=",
        "e": ["2020-01-02"],
        "f": None,
        "g": "",
    }


def test_show_distinguishes_texts_nulls_and_time_zones(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: types
        tables:
          t:
            kind: source
            options: {null_values: [""]}
            columns:
              a: string
              b: list<int64>
              c: "timestamp[ms, tz=Europe/Zurich]"
        """,
    )
    folder.write(
        "data/t.csv",
        'a,b,c\nnull,"[1, null]",2024-01-01T12:00:00.125Z\n,,\nx,[],2024-07-01T12:00:00.000Z\n',
    )
    lines = cli("show", "t").out.splitlines()[-3:]
    assert [re.split("  +", line.strip()) for line in lines] == [
        ['"null"', "[1, null]", "2024-01-01 13:00:00.125+01:00"],
        ["null", "null", "null"],
        ["x", "[]", "2024-07-01 14:00:00.000+02:00"],
    ]
    rows = cli("show", "t", "-o", "json").json["rows"]
    assert rows[0] == {"a": "null", "b": [1, None], "c": "2024-01-01 12:00:00.125Z"}


def test_show_counts_omitted_columns(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", "name: wide\ntables:\n  t: {kind: source}\n")
    folder.write("data/t.csv", ",".join(f"c{i}" for i in range(1500)) + "\n")
    lines = cli("show", "t").out.splitlines()
    assert len(lines) < 50
    assert "  … and 1,460 more columns; -v shows them" in lines
    assert len(cli("show", "t", "-v").out.splitlines()) > 1500
    assert len(cli("show", "t", "-o", "json").json["columns"]) == 1500


def test_show_and_run_report_violations_alike(project: ProjectFolder, cli: Cli) -> None:
    """Every column, with rows and values; in JSON too."""
    columns = "columns: {customer: string, amount: int64, day: date32}"
    project.edit("lakehouse.yaml", "columns: {customer: string, amount: int64}", columns)
    project.write("data/orders.csv", "customer,amount,day\n007,5,2024-01-31\n008,x,2024-13-01\n")
    shown = cli("show", "orders")
    assert shown.code == 1
    reported = [line.strip() for line in shown.err.splitlines()]
    run = [line.strip() for line in cli("run").err.splitlines()]
    assert reported[0].removeprefix("error: ") == run[0].removeprefix("orders  ")
    assert [*reported[1:], "`lakehouse show orders --failed` shows the row that fails"] == run[1:]
    assert "row 2 (line 3): x" in reported
    assert "row 2 (line 3): 2024-13-01" in reported
    assert reported[-1].startswith("next: correct the file")
    violations = cli("show", "orders", "-o", "json").json["error"]["violations"]
    assert [(v["column"], v["check"], v["count"]) for v in violations] == [("amount", "type", 1), ("day", "type", 1)]
    assert violations[0]["examples"] == [{"row": 2, "value": "x", "line": 3}]


def test_schema_is_a_json_schema(cli: Cli) -> None:
    document = cli("schema").json
    assert document["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "tables" in document["properties"]


def test_options_work_in_any_place_and_by_environment(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.path.parent)
    before = cli("-C", "project", "-o", "json", "ls")
    assert before.json == cli("ls", "-C", "project", "-o", "json").json
    monkeypatch.setenv("LAKEHOUSE_PROJECT_DIR", "project")
    monkeypatch.setenv("LAKEHOUSE_OUTPUT", "json")
    assert cli("ls").json == before.json
    monkeypatch.setenv("LAKEHOUSE_ENV", "prod")
    assert cli("ls").code == 2


def test_the_nearest_project_above_is_found(project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = project.path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert cli("validate").code == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "there is no lakehouse.yaml in"),
        (lambda p: (p / "lakehouse.yaml").write_text(""), "empty"),
        (lambda p: (p / "lakehouse.yaml").mkdir(), "folder"),
        (lambda p: (p / "lakehouse.yaml").symlink_to("nowhere"), "lakehouse.yaml"),
        (lambda p: (p / "lakehouse.yaml").write_bytes(b"name: \xff"), "UTF-8"),
    ],
)
def test_no_usable_project_file(folder: ProjectFolder, cli: Cli, make: Callable[[Path], object], message: str) -> None:
    make(folder.path)
    ran = cli("run")
    assert ran.code == 3
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_errors_of_the_module_are_shown_with_their_line(project: ProjectFolder, cli: Cli) -> None:
    project.write("transforms.py", "def totals(orders):\n    return (orders\n\ndef best(totals, count):\n    pass\n")
    ran = cli("validate")
    assert ran.code == 3
    assert "error: syntax error in transforms.py: '(' was never closed" in ran.err
    assert "transforms.py:2:12" in ran.err
    assert "2 |     return (orders" in ran.err
    project.edit("lakehouse.yaml", "module: transforms", "module: nowhere")
    missing = cli("validate")
    assert missing.code == 3
    assert "module `nowhere` is neither beside the project file nor installed" in missing.err


@pytest.mark.parametrize(
    ("content", "message", "place"),
    [
        (b"A = 1\nK=(\n", "syntax error in hh.py: '(' was never closed", "hh.py:2:3"),
        (b"K = '\xff'\n", "hh.py is not text in its declared encoding", "hh.py"),
        (b"K = 1\0\n", "hh.py", "hh.py"),
    ],
)
def test_errors_in_reached_modules_have_their_line(
    project: ProjectFolder, cli: Cli, content: bytes, message: str, place: str
) -> None:
    code = project.read("transforms.py")
    project.write("transforms.py", "import hh\n" + code.replace("return ", "hh.K; return "))
    (project.path / "hh.py").write_bytes(content)
    for command in (["validate"], ["plan"], ["run"], ["graph"], ["plan", "best"]):
        ran = cli(*command)
        assert ran.code == 3, command
        assert ran.err.count(message.partition(":")[0]) >= 1
        assert message in ran.err
        assert place in ran.err
        assert ran.err.count("error: ") == 1
        assert "Traceback" not in ran.err
    assert cli("plan", "-o", "json").code == 3
    project.write("hh.py", "K = 1\n")
    assert cli("validate").code == 0


def test_loading_runs_no_code_of_the_users(project: ProjectFolder, cli: Cli) -> None:
    project.add("transforms.py", "\nimport pathlib\npathlib.Path('ran').touch()\n")
    for command in ("validate", "plan", "ls"):
        assert cli(command).code == 0
    assert not (project.path / "ran").exists()
    assert cli("run").code == 0
    assert (project.path / "ran").exists()


def test_init_scaffolds_and_never_overwrites(folder: ProjectFolder, cli: Cli) -> None:
    made = cli("init", "new", "-o", "json")
    assert made.code == 0
    assert "lakehouse.yaml" in made.json["files"]
    assert cli("run", "-C", "new").code == 0
    before = (folder.path / "new/lakehouse.yaml").read_text()
    (folder.path / "new/lakehouse.yaml").write_text(before + "# mine\n")
    again = cli("init", "new")
    assert again.code == 1
    assert "already has `" in again.err
    assert (folder.path / "new/lakehouse.yaml").read_text() == before + "# mine\n"
    assert cli("init", "x", "--template", "wether").code == 2
    names = {t["name"] for t in cli("init", "--list-templates", "-o", "json").json["templates"]}
    assert names == {"minimal", "ml", "weather", "shop", "sql"}


def test_wrong_arguments_are_reported_as_json(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("show", "-o", "json")
    assert ran.code == 2
    assert json.loads(ran.out)["error"]["type"] == "UsageError"


def test_removed_working_folder_matters_only_if_needed(
    project: ProjectFolder, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for command in (["plan"], ["run"], ["show", "totals"], ["clean"]):
        invoked = cli(*command, "-C", str(project.path))
        assert (invoked.code, invoked.err) == (0, "")
    for where in ([], ["-C", "project"]):
        invoked = cli("plan", *where)
        assert invoked.code == 3
        assert invoked.err.startswith("error: the current folder is no longer there\n")


def test_missing_package_is_reported_once(project: ProjectFolder, cli: Cli) -> None:
    text = project.read("transforms.py")
    project.write("transforms.py", f"import helpers\n{text}")
    project.write(
        "helpers.py", "import json\nimport os.path, zzpk.inner as z\nfrom zzpk import more\nfrom zzq import x\n"
    )
    reported = cli("validate")
    assert reported.code == 3
    assert reported.err.splitlines() == [
        "error: module `zzpk` is neither in the project's folder nor installed",
        "  helpers.py:2:17",
        "  |",
        "2 | import os.path, zzpk.inner as z",
        "  |                 ^^^^^^^^^^  install what it belongs to, or correct the import",
        "",
        "error: module `zzq` is neither in the project's folder nor installed",
        "  helpers.py:4:6",
        "  |",
        "4 | from zzq import x",
        "  |      ^^^  install what it belongs to, or correct the import",
        "",
        "2 problems",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    import zzpk\nexcept ImportError:\n    zzpk = None\n",
        "import sys\nif sys.platform == 'x':\n    import zzpk\n",
        "def later():\n    import zzpk\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import zzpk\n",
        "import sys, types\nsys.modules['zzpk'] = types.ModuleType('zzpk')\nimport zzpk\n",
        "import sys\nsys.path.append('elsewhere')\nimport zzpk\n",
        "try:\n    import optional\nexcept ImportError:\n    pass\n",
        "from __future__ import annotations\nimport helpers, folder.inner\nfrom folder import inner\n",
    ],
)
def test_optional_import_is_not_reported(project: ProjectFolder, cli: Cli, code: str) -> None:
    project.write("optional.py", "import zzpk\n")
    project.write("helpers.py", "import transforms\n")
    project.write("folder/inner.py", "X = 1\n")
    project.write("transforms.py", code + project.read("transforms.py"))
    assert cli("validate").code == 0


def test_hint_for_an_optional_package_names_the_extra(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = project.read("transforms.py")
    reported = "pip install 'lakehouse-cli[polars]', or correct the import"
    monkeypatch.setitem(sys.modules, "polars", None)  # as where it is not installed
    project.write("transforms.py", f"import polars as pl\n{code}")
    assert reported in cli("run").err
    # `validate` looks for files, and finds those of the tests' own environment.
    monkeypatch.setattr("lakehouse_cli.registry.EXTRAS", {"zzpk": "polars"})
    project.write("transforms.py", f"import zzpk\n{code}")
    assert reported in cli("validate").err


def test_every_package_of_an_extra_has_its_hint() -> None:
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    extras = declared["optional-dependencies"]
    # Imported by other names than they are installed by; `distributed` comes as an extra of Dask.
    named = {module: module.replace("_", "-") for module in EXTRAS.keys() - {"distributed"}}
    named |= {"sklearn": "scikit-learn"}
    for module, package in named.items():
        assert any(re.match(rf"{package}\b", wanted) for wanted in extras[EXTRAS[module]])
    assert any("distributed" in wanted for wanted in extras[EXTRAS["distributed"]])
    brought = {
        re.split(r"[<>=\[]", wanted)[0] for name in extras.keys() - {"dev", "servers"} for wanted in extras[name]
    }
    # One that only another needs, in a version that fits.
    brought = {"ibis" if name == "ibis-framework" else name for name in brought - {"sqlglot"}}
    assert brought == set(named.values())


def test_import_failure_is_reported_once(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "tables:\n", "tables:\n  copy: {inputs: [orders]}\n", 1)
    code = project.read("transforms.py")
    project.write("transforms.py", f"import zzpk\n{code}\n\ndef copy(orders):\n    return orders\n")
    ran = cli("run")
    assert ran.code == 1
    reported = "module `transforms` cannot be imported: ModuleNotFoundError: No module named 'zzpk'"
    lines = ran.err.splitlines()
    assert sorted(lines[0].split("  ")[0].split(", ")) == ["copy", "totals"]
    assert lines[0].endswith(f"  {reported}")
    assert lines[1:] == [
        "  transforms.py:1 in <module>",
        "      import zzpk",
        "  next: install what `zzpk` belongs to, or correct the import",
    ]


def test_package_of_an_annotation_that_is_missing_is_named(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.declare(
        "s: {kind: source}\na: {}",
        """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import polars as pl

        def a(s: pl.DataFrame) -> pl.DataFrame | None:
            return s
        """,
    )
    assert cli("validate").code == 0
    monkeypatch.setattr("lakehouse_cli.plan.python_functions.find_spec", lambda _name: None)
    refused = cli("validate")
    assert refused.code == 3
    assert "parameter `s` of `a`: `polars.DataFrame` needs polars, which is not installed" in refused.err
    assert "result of `a`: `polars.DataFrame` needs polars" in refused.err
    assert "pip install 'lakehouse-cli[polars]'" in refused.err


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("zzpk.Frame", "`zzpk.Frame` needs zzpk, which is not installed"),
        ("numbers.Real", "`numbers.Real` is imported for type checkers only"),
        ("Nope", "`Nope` is not defined in its module"),
        ('"nosuch.Frame"', "`nosuch` is not defined in its module"),
        ("pd.DataFram", "`pandas.DataFram` is not a supported frame type"),
        ("None", "`None` is not a supported frame type"),
    ],
)
def test_annotation_that_cannot_work_is_refused(
    folder: ProjectFolder, cli: Cli, annotation: str, said: str, eager: bool
) -> None:
    head = "" if eager else "from __future__ import annotations\n"
    head += "import pandas as pd\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import zzpk, numbers\n"
    folder.declare("s: {kind: source}\na: {}", f"{head}def a(s: {annotation}) -> {annotation}:\n    return s\n")
    refused = cli("validate")
    assert refused.code == 3
    assert f"parameter `s` of `a`: {said}" in refused.err
    assert f"result of `a`: {said}" in refused.err


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="annotations are evaluated when they are asked for")
def test_frame_type_for_type_checkers_is_refused_where_it_is_evaluated(folder: ProjectFolder, cli: Cli) -> None:
    head = "import typing\nif typing.TYPE_CHECKING:\n    import pandas as pd\n"
    folder.declare("s: {kind: source, format: csv}\na: {}")
    folder.write("data/s.csv", "v\n1\n")
    folder.write("transforms.py", f"{head}def a(s: pd.DataFrame): return s\n")
    refused = cli("validate")
    assert refused.code == 3
    assert "parameter `s` of `a`: `pandas.DataFrame` is imported for type checkers only" in refused.err
    folder.write("transforms.py", f"{head}def a(s: 'pd.DataFrame'): return s\n")
    assert cli("validate").code == 0
    assert cli("run").code == 0


@pytest.mark.parametrize(
    "code",
    [
        "from typing import Any\ndef a(s: Any) -> Any: return s\n",
        "def a(s: 'pd.DataFrame') -> 'Optional[pa.Table]': return s\n",
        "import typing\nif typing.TYPE_CHECKING:\n    import pandas as pd\ndef a(s: pd.DataFrame): return s\n",
        "import pandas as pd\nclass Sub(pd.DataFrame): pass\ndef a(s: Sub) -> pd.Series: return s.v\n",
        "import pandas\nglobals()['Frame'] = pandas.DataFrame\ndef a(s: Frame) -> Frame: return s\n",
        "from pandas import *\ndef a(s: DataFrame) -> DataFrame: return s\n",
        "for _ in [1]:\n    import pandas as frames\ndef a(s: frames.DataFrame): return s\n",
        "class F: pass\nfor _ in [1]:\n    from pandas import DataFrame as F\ndef a(s: F): return s\n",
        "import pandas\nclass F: pass\nglobals()['F'] = pandas.DataFrame\ndef a(s: F): return s\n",
        "import pandas\ndef u():\n    global F\n    F = pandas.DataFrame\nclass F: pass\nu()\ndef a(s: F): return s\n",
        "import pandas\ndef sub(c): return pandas.DataFrame\n@sub\nclass F: pass\ndef a(s: F): return s\n",
        "import pandas\nclass M(type):\n    def __new__(*_): return pandas.DataFrame\n"
        "class F(metaclass=M): pass\ndef a(s: F): return s\n",
        "import typing\nif typing.TYPE_CHECKING:\n    class DataFrame: pass\ndef a(s: DataFrame): return s\n",
        "from typing import *\nimport pandas as pd\ndef a(s: Optional[pd.DataFrame]) -> Any: return s\n",
        "import pandas, typing\nF = pandas.DataFrame\nG = typing.Annotated[F, 1]\ndef a(s: G) -> F: return s\n",
        "import pandas as pd\ndef other(t: tuple[()] | None): ...\ndef a(s: pd.DataFrame): return s\n",
        "import pandas as pd\nF = pd.__dict__['DataFrame']\ndef a(s: F) -> F: return s\n",
        "DataFrame = list\nfrom pandas import *\ndef a(s: DataFrame) -> DataFrame: return s\n",
        "import pandas as pd\nF = list\nif F: F = pd.DataFrame\ndef a(s: F) -> F: return s\n",
    ],
)
def test_annotation_that_works_in_a_run_is_valid(folder: ProjectFolder, cli: Cli, code: str) -> None:
    folder.declare("s: {kind: source, format: csv}\na: {}")
    folder.write("data/s.csv", "v\n1\n")
    folder.write("transforms.py", f"from __future__ import annotations\n{code}")
    assert cli("validate").code == 0
    assert cli("run").code == 0


def test_show_has_a_uuid_whole(folder: ProjectFolder, cli: Cli) -> None:
    uuid, names = "01234567-89ab-cdef-0123-456789abcdef", "abcdefghij"
    folder.write("lakehouse.yaml", "name: p\ntables:\n  s: {kind: source}\n")
    folder.write("data/s.csv", f"{','.join(names)}\n{','.join([uuid] * len(names))}\n")
    assert cli("show", "s").out.count(uuid) == len(names)
