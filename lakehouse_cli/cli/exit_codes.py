"""The exit codes of the command line; docs/exit-codes.md says of each command what they mean there."""

from __future__ import annotations

from lakehouse_cli.errors import LakehouseError, ProjectError, UsageError

DONE = 0
#: Something failed, or differs, or is still there: what the command was to find out or to bring about.
FAILED = LakehouseError.exit_code
USAGE = UsageError.exit_code
INVALID = ProjectError.exit_code
#: Of `plan --exit-code` alone.
DUE = 4
#: By Ctrl-C, SIGTERM or SIGHUP.
INTERRUPTED = 130

#: What each means, in the words of `lakehouse --help`.
MEANINGS = {
    DONE: "done",
    FAILED: "a table, check or test failed, data differ, or another run holds the lock",
    USAGE: "usage: flags, an unknown table or environment",
    INVALID: "the project is invalid; nothing ran",
    DUE: "plan --exit-code: something is due",
    INTERRUPTED: "interrupted",
}
