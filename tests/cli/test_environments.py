"""Working in an environment: choosing one, listing them, and what they keep apart."""

from __future__ import annotations

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import ProjectError, UsageError
from lakehouse_cli.storage_types import STORAGE_TYPES
from tests.conftest import Cli, ProjectFolder

ENVIRONMENTS = """
environments:
  prod:
    description: What people look at
    storages:
      default: {root: "${LAKE}/prod", options: {delimiter: ";"}}
  test: {storages: {default: {root: test}}}
"""


@pytest.fixture
def two(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """The small project with environments, its source in two of them."""
    for name in ("LAKEHOUSE_ENV", "LAKEHOUSE_DEFER", "LAKE"):
        monkeypatch.delenv(name, raising=False)
    project.add("lakehouse.yaml", ENVIRONMENTS)
    project.write("lake/prod/orders.csv", "customer;amount\n009;1\n")
    return project


def test_an_environment_is_chosen_in_three_ways(two: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE", "lake")
    assert cli("run", "-e", "prod").code == 0
    assert two.read("lake/prod/totals.csv") == "customer;total\n009;1\n"
    assert not (two.path / "data/totals.csv").exists()
    monkeypatch.setenv("LAKEHOUSE_ENV", "prod")
    document = cli("plan", "-o", "json").json
    assert document["environment"] == "prod"
    assert {t["name"]: t["action"] for t in document["tables"]} == {"orders": "read", "totals": "skip", "best": "skip"}
    assert cli("plan", "--env", "default", "-o", "json").json["environment"] == "default"
    assert Project.load(env="prod").environment == "prod"
    assert Project.load().environment == "default", "the variable is the command line's"


def test_an_unknown_environment(two: ProjectFolder, cli: Cli) -> None:
    done = cli("run", "-e", "prdo")
    assert done.code == 2
    assert "there is no environment `prdo`" in done.err
    assert "did you mean `prod`?" in done.err
    assert cli("env", "prdo").code == 2
    with pytest.raises(UsageError, match="there is no environment `x`"):
        Project.load(env="x")


def test_a_variable_must_be_set_only_where_it_is_used(two: ProjectFolder, cli: Cli) -> None:
    assert cli("validate").code == 0
    assert cli("run").code == 0
    done = cli("run", "-e", "prod")
    assert done.code == 3
    assert "environment variable `LAKE` is not set" in done.err
    with pytest.raises(ProjectError):
        Project.load(env="prod")
    two.write(".env", "LAKE=lake\n")
    assert cli("run", "-e", "prod").code == 0


def test_validate_looks_at_every_environment(two: ProjectFolder, cli: Cli) -> None:
    assert cli("validate", "-o", "json").json["environments"] == ["default", "prod", "test"]
    two.add("lakehouse.yaml", "  bad: {storages: {defualt: {rot: x}}}\n")
    done = cli("validate")
    assert done.code == 3
    assert "storage `defualt` in environment `bad` is not declared" in done.err
    assert "did you mean `default`?" in done.err
    assert "lakehouse.yaml:24:20" in done.err
    assert cli("run", "-e", "test").code == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("storages: {default: {options: {delimiter: xy}}}", "option `delimiter` of storage `default`"),
        ("storages: {default: {options: {delimiter: ';', quote_char: ';'}}}", "are both ';'"),
        ("storages: {default: {options: {delimter: ';'}}}", "unknown option `delimter`"),
        ("storages: {default: {formt: csv}}", "unknown key `formt`"),
        ("storages: {default: {format: cvs}}", "`format` of storage `default`"),
        ("storages: {default: {type: filez}}", "there is no `filez`"),
        ("storages: {default: {root: x.duckdb, type: duckdb, options: {storage_compatibility_version: v9}}}", "v9"),
        ("storages: {default: {root: 'ftp://x'}}", "root `ftp://x`"),
        ("execution: {workers: none}", "`workers`"),
    ],
)
def test_what_is_wrong_in_an_environment_stops_it_alone(two: ProjectFolder, cli: Cli, wrong: str, message: str) -> None:
    two.add("lakehouse.yaml", f"  bad: {{{wrong}}}\n")
    assert cli("run").code == 0
    for command in (("validate",), ("env",), ("run", "-e", "bad"), ("diff", "--against", "bad")):
        done = cli(*command)
        assert done.code == 3, command
        assert message in done.err


def test_what_is_wrong_at_the_top_stops_environments_that_have_it(two: ProjectFolder, cli: Cli) -> None:
    two.add("lakehouse.yaml", "storages: {spare: {root: x, format: cvs}}\n")
    assert "`format` of storage `spare`" in cli("run", "-e", "test").err


def test_env_lists_them(two: ProjectFolder, cli: Cli) -> None:
    lines = [line.split() for line in cli("env", "-e", "test").out.splitlines()]
    assert lines == [
        ["environment", "storage", "format", "root"],
        ["default", "default", "csv", "data"],
        ["prod", "default", "${LAKE}/prod"],
        ["▸", "test", "default", "csv", "test"],
    ]
    document = cli("env", "-o", "json").json
    assert document["environment"] == "default"
    assert [(e["name"], e["chosen"]) for e in document["environments"]] == [
        ("default", True),
        ("prod", False),
        ("test", False),
    ]


def test_env_shows_options_that_differ(two: ProjectFolder, cli: Cli) -> None:
    storage = "{root: 's3://lake/x', options: {region: r, OPTIONS}}"
    options = {
        "old": "endpoint: 'https://old.test', access_key_id: me, secret_access_key: tell-nobody",
        "new": "endpoint: 'https://new.test', access_key_id: '${NEW_KEY}', secret_access_key: '${NEW_SECRET}'",
        "more": "endpoint: 'https://new.test', access_key_id: me, secret_access_key: tell-nobody, retry_seconds: 5",
    }
    environments = "".join(
        f"  {name}:\n    storages: {{default: {storage.replace('OPTIONS', each)}}}\n" for name, each in options.items()
    )
    two.add("lakehouse.yaml", environments)
    listed = cli("env").out
    lines = {line.split()[0]: " ".join(line.split()) for line in listed.splitlines()}
    assert lines["environment"] == "environment storage format options root"
    reported = {name: line.partition(" csv ")[2].removesuffix(" s3://lake/x") for name, line in lines.items()}
    assert reported["old"] == "endpoint: https://old.test, access_key_id: ***, secret_access_key: ***"
    assert reported["new"] == "endpoint: https://new.test, access_key_id: ${NEW_KEY}, secret_access_key: ${NEW_SECRET}"
    assert reported["more"] == "endpoint: https://new.test, access_key_id: ***, secret_access_key: ***, …"
    assert lines["prod"] == "prod default ${LAKE}/prod"
    assert "tell-nobody" not in listed


def test_env_shows_one_as_it_resolves(two: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    out = cli("env", "prod").out
    assert "What people look at" in out
    assert "${LAKE}/prod" in out
    assert "not set: `LAKE`" in out
    monkeypatch.setenv("LAKE", "/somewhere/secret")
    document = cli("env", "prod", "-o", "json").json
    assert document == {
        "name": "prod",
        "chosen": False,
        "description": "What people look at",
        "storages": {
            "default": {"type": "files", "root": "${LAKE}/prod", "format": "csv", "options": {"delimiter": ";"}}
        },
        "execution": {},
        "params": {},
        "unset_variables": [],
    }


def test_the_value_of_a_variable_is_not_shown(two: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE", "hunter2")
    for argv in (["env"], ["env", "prod"], ["plan", "-e", "prod"], ["run", "-e", "prod"], ["ls", "-e", "prod"]):
        for output in ("text", "json"):
            done = cli(*argv, "-o", output)
            assert "hunter2" not in done.out + done.err, argv


SECRETS = [(name, option.name) for name, kind in STORAGE_TYPES.items() for option in kind.options if option.secret]
ROOTS = {"s3": "s3://b/p", "gcs": "gs://b/p", "azure": "az://b/p", "delta": "s3://b/p"}


def test_problems_show_no_secret_and_no_length_of_one(project: ProjectFolder, cli: Cli) -> None:
    environments = (
        'environments: {e: {storages: {default: {root: "gs://b", options: {token: hunter2x, foo: 1}}}}, '
        'p: {storages: {default: {root: "postgresql://u@h/db?password=hunter2", nope: 1}}}}\n'
    )
    project.write("lakehouse.yaml", environments + project.read("lakehouse.yaml"))
    shown = cli("validate").err
    assert "hunter2" not in shown
    assert "{token: ***, foo: 1}" in shown
    caret = next(line for line in shown.splitlines() if "^^^" in line)
    above = shown.splitlines()[shown.splitlines().index(caret) - 1]
    assert above[caret.index("^") :].startswith("foo")


def test_environment_name_equal_to_a_variable_is_shown(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_BUCKET", "lake")
    environments = 'environments: {lake: {storages: {default: {root: "s3://${LAKE_BUCKET}/x"}}}}\n'
    project.write("lakehouse.yaml", environments + project.read("lakehouse.yaml"))
    assert "choose one of: `default`, `lake`" in cli("env", "nope").err
    assert "`lake` cannot be compared against itself" in cli("diff", "-e", "lake", "--against", "lake").err


@pytest.mark.parametrize(("storage_type", "option"), SECRETS)
@pytest.mark.parametrize("written", ["hunter2-of-twenty-letters", '\'{"a": "hunter2, hunter2"}\'', "${UNSET:-hunter2}"])
def test_credentials_among_options_are_hidden(
    two: ProjectFolder, cli: Cli, storage_type: str, option: str, written: str
) -> None:
    storage = f"{{type: {storage_type}, root: '{ROOTS[storage_type]}', options: {{{option}: {written}}}}}"
    if written.startswith("$"):
        storage = storage.replace(written, f'"{written}"')
    two.add("lakehouse.yaml", f"  secret:\n    storages: {{default: {storage}}}\n")
    for output in ("text", "json"):
        done = cli("env", "secret", "-o", output)
        assert done.code == 0
        assert "***" in done.out
        assert "hunter2" not in done.out
    two.edit("lakehouse.yaml", f"{{type: {storage_type}", f"{{typ: 1, type: {storage_type}")
    refused = cli("env", "secret")
    assert refused.code == 3
    assert f"options: {{{option}: " in refused.err
    assert written.startswith("$") or "hunter2" not in refused.err


def test_every_type_marks_its_credentials() -> None:
    marked = {(name, o.name) for name, kind in STORAGE_TYPES.items() for o in kind.options if o.secret}
    assert marked == {
        ("s3", "secret_access_key"),
        ("s3", "session_token"),
        ("delta", "secret_access_key"),
        ("delta", "session_token"),
        ("gcs", "service_account_key"),
        ("gcs", "token"),
        ("azure", "account_key"),
        ("azure", "sas_key"),
        ("azure", "client_secret"),
    }


@pytest.mark.parametrize(
    "root",
    [
        "postgresql://me:hunter2@host/db",
        "postgresql://${USER_OF_DB:-me}:hunter2@host/db",
        "postgresql://me:${UNSET:-hunter2}@host/db",
        "postgresql://me@host/db?password=hunter2",
        "postgresql://me@host/db?password=${UNSET:-hunter2}",
        "postgresql://me@host/db?sslmode=require&sslpassword=hunter2",
        "${UNSET:-postgresql://me:hunter2@host/db}",
    ],
)
def test_passwords_in_urls_are_hidden(two: ProjectFolder, cli: Cli, root: str) -> None:
    two.edit("lakehouse.yaml", 'options: {delimiter: ";"}', "")
    two.add("lakehouse.yaml", f"  secret:\n    storages: {{default: {{type: postgresql, root: '{root}'}}}}\n")
    for argv in (["env"], ["env", "secret"]):
        for output in ("text", "json"):
            done = cli(*argv, "-o", output)
            assert done.code == 0, done.err
            assert "***" in done.out
            assert "hunter2" not in done.out


def test_secrets_of_another_environment_are_masked(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WH2", "postgresql://me:p%40ss%2Fw%25rd1@host/db")
    storages = 'storages: {default: {root: "${WH2}"}}\nenvironments: {lit: {storages: {default: {root: data}}}}\n'
    project.add("lakehouse.yaml", storages)
    raising = "def totals(orders):\n    import os\n    raise ValueError(os.environ['WH2'] + ' p@ss/w%rd1')\n"
    project.write("transforms.py", raising + "\n\ndef best(totals, count):\n    return totals\n")
    failed = cli("run", "-e", "lit")
    assert failed.code == 1
    assert "ValueError: ${WH2} ${WH2}" in failed.out + failed.err
    (kept,) = (project.path / ".lakehouse/runs").glob("*.jsonl")
    for shown in (failed.out, failed.err, kept.read_text()):
        assert "p@ss" not in shown
        assert "p%40ss" not in shown


def test_last_runs_are_by_environment(two: ProjectFolder, cli: Cli) -> None:
    two.write("test/orders.csv", "customer,amount\n1,x\n")
    assert cli("run", "-e", "test").code == 1
    assert cli("run").code == 0
    failed = cli("plan", "-e", "test", "state:failed", "-o", "json").json
    assert [t["name"] for t in failed["tables"] if t["action"] == "run"] == ["totals", "best"]
    assert [t for t in cli("plan", "state:failed", "-o", "json").json["tables"] if t["action"] == "run"] == []
