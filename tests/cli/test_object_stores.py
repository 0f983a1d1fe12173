"""Projects whose tables live in an object store, as their users see them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import obstore
import pytest

from tests.conftest import Cli, Invoked, ProjectFolder
from tests.servers.latency import far_away
from tests.servers.s3 import S3Server

PROJECT = """
name: lake
module: transforms
storages:
  default: {root: data}
  lake:
    root: s3://BUCKET/PREFIX
    options:
      endpoint: ENDPOINT
      region: us-east-1
      access_key_id: "${LAKE_KEY}"
      secret_access_key: "${LAKE_SECRET}"
      allow_http: true
      retry_seconds: 0.5
tables:
  orders:
    kind: source
    columns: {customer: string, amount: int64}
  totals:
    storage: lake
    columns: {customer: string, total: int64}
  best:
    storage: lake
    columns: {customer: string, total: int64}
  here:
    columns: {customer: string, amount: int64}
"""
TRANSFORMS = """
import os
import signal


def totals(orders):
    return orders.groupby("customer", as_index=False).agg(total=("amount", "sum"))


def best(totals):
    return totals.nlargest(1, "total")


def here(orders):
    return orders
"""


@pytest.fixture
def lake(folder: ProjectFolder, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> ProjectFolder:
    """A project with tables in a bucket and on this machine."""
    s3_server.make_bucket("lake")
    return project_on(folder, s3_server, monkeypatch, f"cli-{tmp_path.name}")


def project_on(
    folder: ProjectFolder, server: S3Server, monkeypatch: pytest.MonkeyPatch, prefix: str, bucket: str = "lake"
) -> ProjectFolder:
    text = PROJECT.replace("BUCKET", bucket).replace("PREFIX", prefix).replace("ENDPOINT", server.endpoint)
    folder.write("lakehouse.yaml", text)
    folder.write("transforms.py", TRANSFORMS)
    folder.write("data/orders.csv", "customer,amount\nann,1\nbob,2\nann,3\n")
    monkeypatch.setenv("LAKE_KEY", server.options["access_key_id"])
    monkeypatch.setenv("LAKE_SECRET", server.options["secret_access_key"])
    return folder


def error_of(result: Invoked, name: str) -> Any:
    return next(table["error"] for table in result.json["tables"] if table["name"] == name)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_run_and_another_with_nothing_to_do(lake: ProjectFolder, cli: Cli, executor: str) -> None:
    first = cli("run", "-o", "json", "--executor", executor)
    assert first.code == 0, first.err
    assert set(first.statuses.values()) == {"materialized"}
    again = cli("run", "-o", "json", "--executor", executor)
    assert set(again.statuses.values()) == {"unchanged"}
    shown = cli("show", "best", "-o", "json").json
    assert shown["rows"] == [{"customer": "ann", "total": 4}]
    assert shown["uri"].startswith("s3://lake/cli-")


def test_assets_that_are_not_tables(lake: ProjectFolder, cli: Cli) -> None:
    lake.add("lakehouse.yaml", "  model: {storage: lake, format: pickle}\n  site: {storage: lake, format: folder}\n")
    lake.add("lakehouse.yaml", "  note: {format: json}\n")
    lake.add(
        "transforms.py",
        """

import lakehouse_cli

def model(totals): return {"rows": len(totals)}
def site(model: dict, out: lakehouse_cli.Target): (out / "index.html").write_text(str(model["rows"]))
def note(site, model): return [(site / "index.html").read_text(), model]
""",
    )
    assert set(cli("run", "-o", "json", "--executor", "processes").statuses.values()) == {"materialized"}
    assert set(cli("run", "-o", "json").statuses.values()) == {"unchanged"}
    assert cli("run", "note", "--force").code == 0
    assert "".join(lake.read("data/note.json").split()) == '["2",{"rows":2}]'
    opened = cli("open", "model", "-o", "json").json
    assert opened["path"].endswith("/model.pkl")


def test_what_is_no_longer_declared_is_cleaned(lake: ProjectFolder, cli: Cli) -> None:
    uris = {t["name"]: t["uri"] for t in cli("run", "-o", "json").json["tables"]}
    lake.edit("lakehouse.yaml", "  best:\n    storage: lake\n    columns: {customer: string, total: int64}\n", "")
    cleaned = cli("clean", "--yes", "-o", "json")
    assert cleaned.code == 0, cleaned.err
    assert [stray["uri"] for stray in cleaned.json["found"]] == [uris["best"]]
    assert "totals.csv" not in cleaned.out
    assert cli("clean", "--yes").out.count("best") == 0
    assert set(cli("run", "-o", "json").statuses.values()) == {"unchanged"}


def test_a_table_whose_format_changed_is_there_once(lake: ProjectFolder, cli: Cli, s3_server: S3Server) -> None:
    import obstore

    assert cli("run").code == 0
    text = lake.read("lakehouse.yaml")
    lake.write("lakehouse.yaml", text.replace("    root: s3:", "    format: parquet\n    root: s3:"))
    ran = cli("run", "-o", "json", "--executor", "processes").statuses
    assert ran == {"totals": "materialized", "best": "materialized", "here": "unchanged"}
    prefix = text.partition("s3://lake/")[2].partition("\n")[0]
    keys = [entry["path"] for batch in obstore.list(s3_server.store("lake"), prefix) for entry in batch]
    assert sorted(key.removeprefix(prefix) for key in keys if "manifests" not in key) == [
        "/best.parquet",
        "/totals.parquet",
    ]


def refused_by_a_plan(project: ProjectFolder, cli: Cli, cause: str) -> None:
    """Of the tables in the bucket; and the run that follows computes none of these."""
    planned = cli("plan", "-o", "json")
    assert planned.code == 0
    would_fail = {table["name"]: table["would_fail"] for table in planned.json["tables"]}
    assert (would_fail["orders"], would_fail["here"]) == (None, None)
    assert would_fail["totals"].startswith("`totals` stays as it is: s3://")
    assert would_fail["totals"].endswith(f"totals.csv cannot be looked at: {cause}")
    assert would_fail["best"] == would_fail["totals"]
    assert "✗  totals  no access" in cli("plan").out
    alone = cli("plan", "best")
    assert alone.code == 0
    assert "`totals` cannot be read: s3://" in alone.out
    project.write(
        "transforms.py", TRANSFORMS.replace("def totals(orders):\n", "def totals(orders):\n    os._exit(3)\n")
    )


def test_wrong_credentials(lake: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_SECRET", "not-the-secret")
    refused_by_a_plan(lake, cli, "the server does not accept the credentials (SignatureDoesNotMatch)")
    result = cli("run", "-o", "json")
    assert result.code == 1
    assert result.statuses | {"totals": "failed", "here": "materialized"} == result.statuses
    error = error_of(result, "totals")
    assert "credentials" in error["message"] + error["hint"]
    assert "not-the-secret" not in result.out + result.err


@pytest.mark.parametrize(
    ("storage", "cause"),
    [
        (
            """{root: gs://b/x, options: {service_account_key: '{"private_key":"PKEYSECRET"}'}}""",
            "Unable to decode service account file: missing field `private_key_id`",
        ),
        (
            """{root: gs://b/x, options: {service_account_key: '"PKEY\\"SECRET"'}}""",
            "Unable to decode service account file: invalid type: string …, expected struct",
        ),
        ("{root: gs://b/x, options: {service_account: /no/such/key.json}}", "from /no/such/key.json: No such file"),
        ("{root: az://b/x, options: {account_name: me, account_key: PKEY SECRET}}", "Invalid Access Key"),
        ("{root: s3://b/x, options: {access_key_id: me}}", "Missing SecretAccessKey"),
        ("{root: s3://b/x, options: {profile: nobody}}", "there is no AWS profile `nobody`"),
    ],
    ids=["gcs", "gcs, no map", "gcs, no file", "azure", "s3", "s3, profile"],
)
def test_options_of_which_no_client_can_be_made(folder: ProjectFolder, cli: Cli, storage: str, cause: str) -> None:
    pytest.importorskip("obstore")
    folder.write("lakehouse.yaml", f"name: n\nmodule: m\nstorages: {{default: {storage}}}\ntables: {{t: {{}}}}\n")
    folder.write("m.py", "def t():\n    raise SystemExit\n")
    planned = cli("plan")
    assert planned.code == 0
    assert "✗  t      no access" in planned.out
    assert "1 table out of reach" in planned.out
    assert cause in planned.out.replace("\n", " ")
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert cause in error_of(ran, "t")["message"]
    assert "SECRET" not in planned.out + planned.err + ran.out + ran.err


def test_no_such_bucket(folder: ProjectFolder, s3_server: S3Server, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    project_on(folder, s3_server, monkeypatch, "x", bucket="nonesuch")
    refused_by_a_plan(folder, cli, "there is no bucket `nonesuch`")
    second = "  t2: {storage: lake, function: totals, inputs: [orders], columns: {customer: string, total: int64}}\n"
    folder.add("lakehouse.yaml", second)
    shown = cli("run", "here", "totals", "+t2")
    rows = {line.split()[1]: line for line in shown.out.splitlines() if line[:1] == "✗"}
    assert rows["totals"].endswith("  there is no bucket `nonesuch`")
    assert rows["t2"].endswith("  there is no bucket `nonesuch`")
    assert shown.err.count("there is no bucket `nonesuch`") == shown.err.count("next: make it") == 1
    assert {"totals,", "t2"} <= set(shown.err.split())
    result = cli("run", "-o", "json")
    assert result.code == 1
    assert result.statuses | {"totals": "failed", "here": "unchanged"} == result.statuses
    error = error_of(result, "totals")
    assert "there is no bucket `nonesuch`" in error["message"]
    assert error["hint"] == "make it, or correct the root of storage `lake`"


def counted(ask: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    """A function that asks a server, and of which each call is noted."""

    def ask_and_note(*arguments: Any, **keywords: Any) -> Any:
        asked.append(ask.__name__)
        return ask(*arguments, **keywords)

    return ask_and_note


def test_a_server_that_is_down_is_waited_for_once(
    lake: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = "".join(
        f"  t{i}: {{storage: lake, function: totals, inputs: [orders], columns: {{customer: string, total: int64}}}}\n"
        for i in range(200)
    )
    text = lake.read("lakehouse.yaml")
    at = text.index("http://127.0.0.1:")
    server = text[at : text.index("\n", at)]
    lake.write("lakehouse.yaml", text.replace(server, "http://127.0.0.1:9") + many)
    asked: list[str] = []
    for name in ("head", "get", "list"):
        monkeypatch.setattr(obstore, name, counted(getattr(obstore, name), asked))
    refused_by_a_plan(lake, cli, "the server does not answer")
    result = cli("run", "-o", "json")
    assert len(asked) < 200, "each of the tables is waited for, in each of three commands"
    assert result.code == 1
    assert result.statuses["here"] == "materialized"
    assert error_of(result, "t7")["message"].endswith("/t7.csv cannot be looked at: the server does not answer")
    assert "endpoint of storage `lake`" in error_of(result, "t7")["hint"]


def test_a_server_that_goes_away_in_mid_run(
    folder: ProjectFolder, own_s3_server: S3Server, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_s3_server.make_bucket("lake")
    lake = project_on(folder, own_s3_server, monkeypatch, "x")
    kill = "    if pid := os.environ.pop('SERVER_PID', None):\n        os.kill(int(pid), signal.SIGKILL)\n"
    lake.write("transforms.py", TRANSFORMS.replace("def best(totals):\n", f"def best(totals):\n{kill}"))
    assert own_s3_server.process is not None
    monkeypatch.setenv("SERVER_PID", str(own_s3_server.process.pid))
    result = cli("run", "-o", "json", "--executor", "serial")
    assert result.code == 1
    assert result.statuses == {"totals": "materialized", "best": "failed", "here": "materialized"}
    error = error_of(result, "best")
    assert error["message"].endswith("best.csv cannot be written: the server does not answer")
    assert "endpoint of storage `lake`" in error["hint"]
    assert "SERVER_PID" not in os.environ
    own_s3_server.stop()
    own_s3_server.start()
    again = cli("run", "-o", "json")
    assert again.statuses == {"totals": "unchanged", "best": "materialized", "here": "unchanged"}


def test_two_runs_from_two_machines(
    lake: ProjectFolder, cli: Cli, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locks reach one machine; on the server, who comes second is refused."""
    import obstore

    assert cli("run").code == 0
    lake.write("data/orders.csv", "customer,amount\nann,5\n")
    prefix = lake.read("lakehouse.yaml").partition("s3://lake/")[2].partition("\n")[0]
    monkeypatch.setenv("OTHER", "1")
    code = TRANSFORMS.replace(
        "def totals(orders):\n",
        "def totals(orders):\n"
        "    import obstore\n"
        "    from obstore.store import S3Store\n"
        f"    store = S3Store('lake', endpoint={s3_server.endpoint!r}, access_key_id=os.environ['LAKE_KEY'],\n"
        "                    secret_access_key=os.environ['LAKE_SECRET'], client_options={'allow_http': True})\n"
        f"    obstore.put(store, '{prefix}/totals.csv', b'customer,total\\ncid,9\\n')\n",
    )
    lake.write("transforms.py", code)
    result = cli("run", "-o", "json", "--executor", "serial")
    assert result.code == 1
    assert error_of(result, "totals")["message"].startswith(f"another run stored s3://lake/{prefix}/totals.csv")
    stored = bytes(obstore.get(s3_server.store("lake"), f"{prefix}/totals.csv").bytes())
    assert stored == b"customer,total\ncid,9\n"
    lake.write("transforms.py", code.replace("cid,9", "cid,8"))
    ran = cli("run", "--executor", "serial")
    reported = ran.out + ran.err
    assert "another run stored" in reported
    assert "before this went wrong" not in reported
    assert "is as it was" not in reported


def test_many_tables_are_looked_at_at_once(lake: ProjectFolder, cli: Cli, s3_server: S3Server) -> None:
    count, delay = 150, 0.02
    tables = "".join(
        f"  t{i}: {{storage: lake, function: totals, inputs: [orders], columns: {{customer: string, total: int64}}}}\n"
        for i in range(count)
    )
    lake.add("lakehouse.yaml", tables)
    assert cli("run").code == 0
    with far_away(s3_server.ports[0], delay) as far:
        lake.edit("lakehouse.yaml", s3_server.endpoint, f"http://127.0.0.1:{far.port}")
        planned = cli("plan", "-o", "json")
    assert {table["action"] for table in planned.json["tables"]} <= {"skip", "read"}, planned.out
    assert far.requests >= 2 * count
    assert far.at_once >= 10
