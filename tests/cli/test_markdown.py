"""`-o markdown`: what a pull request shows of a plan, a run and a diff."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.conftest import Invoked, ProjectFolder

Cli = Callable[..., Invoked]


def test_plan_run_and_diff(project: ProjectFolder, cli: Cli) -> None:
    planned = cli("plan", "-o", "markdown")
    assert (planned.code, planned.err) == (0, "")
    assert planned.out.splitlines() == [
        "### small · default · plan",
        "",
        "2 tables to materialize, 1 source to read",
        "",
        "| table | action | why |",
        "| --- | --- | --- |",
        "| <code>totals</code> | run | never materialized |",
        "| <code>best</code> | run | never materialized; <code>totals</code> runs |",
    ]
    ran = cli("run", "-o", "markdown")
    assert ran.code == 0
    assert "2 materialized in " in ran.out
    assert re.search(r"^\| ✓ \| <code>totals</code> \| materialized \| 2 \| ", ran.out, re.MULTILINE)
    assert cli("run", "-o", "markdown").out.splitlines()[2].startswith("2 unchanged in ")
    assert cli("plan", "-o", "markdown").out.splitlines()[2:] == ["nothing to do: 2 tables up to date"]
    project.write("data/orders.csv", project.read("data/orders.csv").replace("007", "009"))
    compared = cli("diff", "totals", "-o", "markdown")
    assert compared.code == 1
    assert "```diff\n" in compared.out
    assert re.search("^\\+ .* 009 ", compared.out, re.MULTILINE)


def test_errors_are_in_the_document(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "  totals:", "  totals:\n    colums: {}")
    for argv in (["plan"], ["run"], ["diff"]):
        shown = cli(*argv, "-o", "markdown")
        assert (shown.code, shown.err) == (3, "")
        assert "unknown key `colums` in table `totals`" in shown.out


def test_commands_without_pages_say_so(project: ProjectFolder, cli: Cli) -> None:
    for argv in (["ls", "-o", "markdown"], ["-o", "markdown", "validate"]):
        shown = cli(*argv)
        assert (shown.code, shown.out) == (2, "")
        assert "`markdown` is not an output of this command; use text or json" in shown.err
    assert cli("-o", "markdown", "plan").out.startswith("### ")


TRICKY = "a|b <img src=x> @someone [x](y) *b* #1 ``` $x$ https://example.com"


def test_values_are_no_markup(folder: ProjectFolder, cli: Cli) -> None:
    """Neither in the table nor in what is below it; and a secret is never there."""
    folder.write(
        "lakehouse.yaml",
        "name: tricky\nmodule: transforms\nparams: {token: '${TOKEN}'}\n"
        "tables:\n  a: {inputs: [], columns: {x: string}, key: x}\n  b: {inputs: [], columns: {x: string}}\n",
    )
    folder.write(
        "transforms.py", f"def a(): raise ValueError({TRICKY!r})\ndef b(token): raise ValueError('no ' + token)\n"
    )
    folder.write(".env", "TOKEN=hunter2-and-more\n")
    shown = cli("run", "-o", "markdown")
    assert shown.code == 1
    assert "hunter2" not in shown.out
    table, fenced = shown.out.split("\n````text\n")
    assert "```" in fenced  # which a longer fence encloses
    [row] = [line for line in table.splitlines() if "<code>a</code>" in line]
    assert row.count("|") == 8
    assert not re.search(r"<(?!/?code>|!-- -->)|[@\[\]*`$]|https:|&#64;(?!<!-- -->)", row)


def test_document_fits_into_a_comment(folder: ProjectFolder, cli: Cli) -> None:
    names = [f"table_with_a_long_name_{at}" for at in range(80)]
    declared = "".join(f"  {name}: {{inputs: [], columns: {{x: string}}}}\n" for name in names)
    folder.write("lakehouse.yaml", f"name: many\nmodule: transforms\ntables:\n{declared}")
    body = f"raise ValueError({'long ' * 200!r})"
    folder.write("transforms.py", "".join(f"def {name}(): {body}\n" for name in names))
    for argv, more in ((["plan"], "30 more rows"), (["run", "--executor", "serial"], "more lines")):
        shown = cli(*argv, "-o", "markdown").out
        assert len(shown) < 65_536
        assert f"{more}; `-o json` has all" in shown


@pytest.mark.parametrize("reveal", [False, True])
def test_sensitive_values_are_hidden(folder: ProjectFolder, cli: Cli, reveal: bool) -> None:
    folder.write(
        "lakehouse.yaml",
        "name: hidden\nmodule: transforms\nparams: {mail: ann@example.com}\n"
        "tables:\n  a: {inputs: [], columns: {n: int64, mail: {type: string, sensitive: true}}, key: n}\n",
    )
    folder.write("transforms.py", "import pandas as pd\ndef a(mail): return pd.DataFrame({'n': [1], 'mail': [mail]})\n")
    cli("run")
    options = ["--reveal"] if reveal else []
    shown = cli("diff", "-o", "markdown", "--param", "mail=bob@example.com", *options)
    assert shown.code == 1
    assert ("bob@example.com" in shown.out) is reveal
    assert ("***" in shown.out) is not reveal
