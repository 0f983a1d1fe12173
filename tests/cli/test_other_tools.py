"""Commands and options of other tools work here, or get a hint that works when it is followed."""

from __future__ import annotations

import re

import pytest

from lakehouse_cli.cli import other_tools
from lakehouse_cli.cli.commands import NAMES
from tests.conftest import Cli, ProjectFolder


def hinted(text: str) -> str:
    """The command or option that an error says to use."""
    found = re.search(r"did you mean `([^`]+)`\?", text)
    assert found is not None, text
    return found[1]


def test_commands_of_other_tools_get_a_hint_that_works(cli: Cli) -> None:
    words = [word for words in other_tools._BY_COMMAND.values() for word in words.split()]
    assert len(words) == len(set(words))
    assert not set(words) & {*NAMES}
    meant = {word: cli(word, "--anything").err for word in words}
    assert all(f"there is no command `{word}`\n" in said for word, said in meant.items())
    hints = {word: hinted(said) for word, said in meant.items()}
    asked = ("build", "docs", "list", "status", "compile", "materialize")
    assert [hints[word] for word in asked] == [
        f"lakehouse {command}" for command in ("run", "graph", "ls", "plan", "plan", "run")
    ]
    for hint in {*hints.values()} - {"lakehouse --show-completion"}:  # that looks for the shell that it is for
        assert cli(*hint.split()[1:], "--help").code == 0
    assert hinted(cli("rnu").err) == "lakehouse run"
    assert "`lakehouse --help` lists the commands" in cli("qqq").err
    refused = cli("-o", "json", "build")
    assert (refused.code, refused.json["error"]["message"]) == (2, "there is no command `build`")


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("run", "--full-refresh"), "--force"),
        (("run", "--models", "best"), "--select"),
        (("plan", "--target", "default"), "--env"),
        (("run", "--vars", "count=1"), "--param"),
        (("run", "--threads", "2"), "--workers"),
        (("run", "--runner", "serial"), "--executor"),
        (("run", "--retry"), "--failed"),
        (("show", "best", "--limit", "3"), "--rows"),
        (("ls", "--project", "."), "--project-dir"),
        (("ls", "--debug"), "--verbose"),
    ],
)
def test_options_of_other_tools_get_a_hint_that_works(
    project: ProjectFolder, cli: Cli, argv: tuple[str, ...], hint: str
) -> None:
    refused = cli(*argv)
    assert (refused.code, hinted(refused.err)) == (2, hint)
    assert cli("run", "-q").code == 0
    assert cli(*(hint if word.startswith("--") else word for word in argv)).code == 0


def test_select_is_a_positional_argument_too(project: ProjectFolder, cli: Cli) -> None:
    for argv in (("--select", "best"), ("-s", "best"), ("-s", "tag:short"), ("best",)):
        assert cli("ls", "-q", *argv).out == "best\n"
    assert cli("ls", "-q", "--select", "best", "totals").out == "totals\nbest\n", "several, as dbt takes them"
    assert "`lakehouse check` validates what is stored" in cli("test").err, "which is what dbt's does"
    assert "`tag:NAME`" in cli("run", "--tags", "short").err
    assert "`-o json`" in cli("run", "--json").err
    assert "no such option: --full-refresh\n  `lakehouse ls --help`" in cli("ls", "--full-refresh").err
