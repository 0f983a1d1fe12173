"""Descriptions, owners, tags, meta and those of columns, in `ls -v`, `show` and their documents."""

from __future__ import annotations

from tests.conftest import Cli, ProjectFolder

ABOUT = """
    description: |
      The total of each customer.
      In cents.
    owner: ana@example.org
    tags: [report, daily]
    meta: {tier: 1, slack: "#sales", since: 2024-01-31, ratio: .inf, more: {a: [x, null]}}
"""
META = {"tier": 1, "slack": "#sales", "since": "2024-01-31", "ratio": "inf", "more": {"a": ["x", None]}}


def test_declared_descriptions_are_shown(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "    tags: [report]\n", ABOUT.lstrip("\n"))
    described = "total: {type: int64, nullable: false, description: Of all orders}"
    project.edit("lakehouse.yaml", "total: {type: int64, nullable: false}", described)
    facts = [
        "  The total of each customer.",
        "  In cents.",
        "  owner       ana@example.org",
        "  tags        report, daily",
        "  meta tier   1",
        "  meta slack  #sales",
        "  meta since  2024-01-31",
        "  meta ratio  inf",
        '  meta more   {"a": ["x", null]}',
    ]
    columns = ["  column    type", "  customer  string  not null", "  total     int64   not null  Of all orders"]
    assert cli("ls", "-v").out.splitlines() == [
        *(
            "orders · source · default · data/orders.csv",
            "  column    type",
            "  customer  string",
            "  amount    int64",
            "",
        ),
        *("totals · computed · default · data/totals.csv", *facts, *columns, ""),
        *("best · computed · default · data/best.csv", "  tags  report, short"),
        *("  column    type", "  customer  string", "  total     int64", "", "3 tables"),
    ]
    assert "Of all orders" not in cli("ls").out
    about = {
        "description": "The total of each customer.\nIn cents.\n",
        "owner": "ana@example.org",
        "tags": ["report", "daily"],
        "meta": META,
    }
    assert cli("run").code == 0
    listed, shown = cli("ls", "totals", "-o", "json").json["tables"][0], cli("show", "totals", "-o", "json").json
    for document in (listed, shown):
        assert about.items() <= document.items()
        assert [column["description"] for column in document["columns"]] == [None, "Of all orders"]
    lines = cli("show", "totals").out.splitlines()
    assert lines[1 : len(facts) + 1] == facts
    assert lines[len(facts) + 2 : len(facts) + 5] == columns


def test_an_asset_is_described(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare("model: {format: json, inputs: [], owner: ana, description: What it knows}", top="")
    folder.write("transforms.py", "def model():\n    return {'a': 1}\n")
    assert cli("run", "-q").code == 0
    assert cli("show", "model").out.splitlines()[1:3] == ["  What it knows", "  owner  ana"]
    assert cli("show", "model", "-o", "json").json["owner"] == "ana"
    assert cli("ls", "-v").out.startswith("model · computed · json · default · data/model.json\n  What it knows\n")
