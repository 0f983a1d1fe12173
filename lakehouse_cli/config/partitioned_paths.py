"""Paths of computed tables in which the values of a partition take the place of placeholders."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.file_pattern import FilePattern, Placeholder, pattern_problem
from lakehouse_cli.model.partition import FILE

# Parts of dates that are digits, always as many.
_UNAMBIGUOUS = r"(?:%[YmdHj]|[^%\d])*"


def path_of_partitions_problem(
    table: Table, pattern: FilePattern, dimensions: Mapping[str, Dimension]
) -> tuple[str, str] | None:
    """What is wrong with the path of a computed table, and what to do: two partitions could be stored on one.

    Args:
        table: The table.
        pattern: Its path.
        dimensions: All there are, by name.
    """
    names = [each.name for each in pattern.placeholders]
    if not names and not table.partitions:
        return None  # `*` is a character as any other
    if (wrong := pattern_problem(table.path)) is not None:
        return wrong
    if not table.partitions:
        hint = f"add `partitions: [{', '.join(names)}]`, or write the path without braces"
        return f"has the placeholder `{{{names[0]}}}`, and {quoted(table.name)} has no partitions", hint
    if "*" in table.path or "?" in table.path:
        return "is a pattern, and names what is written", "write placeholders alone, such as `{month}`"
    if FILE in table.partitions:
        return "has placeholders, and its partitions are files", "name the folder that they are stored in"
    for each in table.partitions if names else ():
        if each not in names:
            return f"lacks the placeholder `{{{each}}}`", "write one for each of `partitions`, or none"
    for placeholder in pattern.placeholders:
        if (wrong := _placeholder_problem(placeholder, table, dimensions.get(placeholder.name))) is not None:
            return wrong
    for part in table.path.split("/"):
        found = [each.name for each in FilePattern(part).placeholders]
        texts = [each for each in found if each not in dimensions or dimensions[each].every is None]
        if len(texts) > 1:
            names_them = f"has `{{{texts[0]}}}` and `{{{texts[1]}}}` in one name"
            return f"{names_them}, where one could be taken for the other", "put them into folders of their own"
    return None


def _placeholder_problem(placeholder: Placeholder, table: Table, dimension: Dimension | None) -> tuple[str, str] | None:
    name, form = placeholder.name, placeholder.format
    every = dimension.every if dimension is not None else None
    if name not in table.partitions:
        return f"has the placeholder `{{{name}}}`, which is none of its partitions", f"add `{name}` to `partitions`"
    if form is None:
        return None
    if every is None:
        return f"has a format for `{name}`, which is no dimension of time", f"write `{{{name}}}`"
    if placeholder.every != every or not re.fullmatch(_UNAMBIGUOUS, form):
        hint = f"write `{{{name}}}`, or digits that say the {every} and no more, as `{{month:%Y%m}}` says the month"
        return f"has a format that does not say which {every} is meant, `{{{name}:{form}}}`", hint
    return None
