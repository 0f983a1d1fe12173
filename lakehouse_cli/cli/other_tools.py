"""Commands and options of other tools that people try here, and what does here what they do there."""

from __future__ import annotations

from collections.abc import Collection

from lakehouse_cli.errors import UsageError
from lakehouse_cli.text.close_names import did_you_mean

_BY_COMMAND = {
    "run": (
        "apply backfill build compute exec execute make materialise materialize rebuild refresh seed snapshot start"
        " update"
    ),
    "plan": "compile explain status",
    "ls": "catalog list tables",
    "show": "cat describe head info peek preview",
    "graph": "dag dependencies deps docs lineage tree viz",
    "runs": "history log logs",
    "validate": "debug lint parse",
    "check": "audit verify",
    "sql": "ask query",
    "init": "create new quickstart scaffold",
    "env": "config environments envs profile profiles target targets",
    "copy": "clone promote",
    "clean": "gc prune purge vacuum",
    "run --failed": "rerun retry",
    "run --watch": "dev watch",
    "--help": "help",
    "--version": "version",
    "--show-completion": "completion completions",
}
_COMMANDS = {word: command for command, words in _BY_COMMAND.items() for word in words.split()}
_BY_OPTION = {
    "--force": "--full-refresh --no-cache --rebuild --refresh --rerun",
    "--select": (
        "--asset --assets --model --models --node --nodes --pipeline --pipelines --resource --selection --table"
        " --tables"
    ),
    "--env": "--environment --profile --stage --target",
    "--param": "--params --set --var --vars",
    "--workers": "--jobs --parallel --parallelism --threads",
    "--executor": "--backend --runner --scheduler",
    "--failed": "--from-failed --only-failed --retry --retry-failed",
    "--rows": "--head --lines --limit",
    "--project-dir": "--cwd --dir --directory --path --project --project-path --root",
    "--dry-run": "--check --dry --noop --simulate",
    "--verbose": "--debug --log-level",
    "--quiet": "--silent",
}
_OPTIONS = {word: option for option, words in _BY_OPTION.items() for word in words.split()}
# What is written in another way here, by option.
_HINTS = {
    **dict.fromkeys(("--tag", "--tags"), "a selection takes tags: `tag:NAME`"),
    **dict.fromkeys(("--from-nodes", "--downstream", "--children"), "`NAME+` is a table with all its downstream"),
    **dict.fromkeys(("--to-nodes", "--upstream", "--parents"), "`+NAME` is a table with all its upstream"),
    **dict.fromkeys(("--no-color", "--no-colour", "--no-use-colors"), "set the environment variable NO_COLOR=1"),
    **dict.fromkeys(("--json", "--as-json"), "`-o json` prints one JSON document"),
    **dict.fromkeys(("--format", "--output-format"), "`-o json` prints one JSON document"),
}


def unknown_command(word: str, known: Collection[str]) -> UsageError:
    """Make the error of a command that does not exist, with the one that is meant if that is known.

    Args:
        word: What was given in its place.
        known: The commands there are.
    """
    meant = _COMMANDS.get(word.lower())
    hint = f"did you mean `lakehouse {meant}`?" if meant else did_you_mean(word, known, written="lakehouse {}")
    return UsageError(f"there is no command `{word}`", hint=hint or "`lakehouse --help` lists the commands")


def option_hint(option: str, known: Collection[str]) -> str | None:
    """What does here what an option of another tool does there; None where nothing is known to.

    Args:
        option: As it was given.
        known: The options that the command has.
    """
    if option in _HINTS:
        return _HINTS[option]
    meant = _OPTIONS.get(option)
    return f"did you mean `{meant}`?" if meant in known else None
