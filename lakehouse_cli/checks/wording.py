"""What is wrong, in words, for each kind of check."""

from __future__ import annotations

from collections.abc import Callable

from lakehouse_cli.model.check import Check
from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.name_lists import first_few
from lakehouse_cli.text.terminal import printable

_SHOWN = 60
_MEMBERS = 5


def sentence_of(check: Check) -> Callable[[int], str]:
    """What so many violations of a check are, one sentence."""
    name, columns = check.name, ", ".join(f"`{each}`" for each in check.columns)
    found, one, many = _of_kind(check)
    if check.nulls == "fail" and check.columns:
        is_null, are_null = ("null", "null") if found == "value" else ("is null", "are null")
        one, many = f"{one}, or {is_null}", f"{many}, or {are_null}"

    def say(count: int) -> str:
        verb = one if count == 1 else many
        subject = plural(count, found) + (f" of {columns}" if columns and found == "value" else "")
        return f"check `{name}`: {subject} {verb}"

    return say


def _of_kind(check: Check) -> tuple[str, str, str]:
    """What is counted, and what one and what several of them do."""
    arguments = check.arguments
    if check.kind in ("min", "max", "above", "below"):
        bound = arguments["bound"]
        words = {"min": "below", "max": "above", "above": "not above", "below": "not below"}[check.kind]
        return "value", f"is {words} {bound}", f"are {words} {bound}"
    if check.kind in ("in", "not_in"):
        members = first_few([_short(each) for each in arguments["values"]], _MEMBERS)
        words = "none of" if check.kind == "in" else "one of"
        return "value", f"is {words} {members}", f"are {words} {members}"
    if check.kind == "matches":
        pattern = f"`{_short(arguments['pattern'])}`"
        return "value", f"does not match {pattern}", f"do not match {pattern}"
    if check.kind == "length":
        return "value", f"is not {length_text(check)} long", f"are not {length_text(check)} long"
    if check.kind == "not_blank":
        return "value", "is blank", "are blank"
    if check.kind == "unique":
        columns = ", ".join(f"`{each}`" for each in check.columns)
        return "row", f"shares its {columns} with others", f"share their {columns} with others"
    if check.kind == "foreign_key":
        parents = ", ".join(f"`{arguments['table']}.{each}`" for each in arguments["references"])
        return "value", f"is not in {parents}", f"are not in {parents}"
    if check.kind == "expression":
        text = f"`{_short(arguments['text'])}`"
        return "row", f"does not fulfil {text}", f"do not fulfil {text}"
    if check.kind == "sql":
        text = f"`{_short(arguments['text'])}`"
        return "row", f"is returned by {text}", f"are returned by {text}"
    if check.kind == "function":
        return "row", f"is refused by `{arguments['function']}`", f"are refused by `{arguments['function']}`"
    return "value", "is null", "are null"


def length_text(check: Check) -> str:
    """The lengths that are good."""
    least, most = check.arguments.get("min"), check.arguments.get("max")
    if most is None:
        return f"at least {plural(least or 0, 'character')}"
    if least == most:
        return plural(most, "character")
    return f"at most {plural(most, 'character')}" if least is None else f"{least:,} to {plural(most, 'character')}"


def _short(text: str) -> str:
    return cut_end(printable(" ".join(text.split())), _SHOWN)
