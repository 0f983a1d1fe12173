"""What speaks against a table as it is stored, and what is different of how it would be made now, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from lakehouse_cli.code.fingerprints import has_unseen
from lakehouse_cli.config.scalars import flow_text
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import PRIVATE, UNFINISHED, UNSETTLED, ColumnRecord, InputRecord, Manifest, Recipe
from lakehouse_cli.model.option_hash import hash_of_option
from lakehouse_cli.model.reason import Reason, short_names
from lakehouse_cli.model.schema_change import column_changes, describe_contract_change, listed
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.name_lists import first_named
from lakehouse_cli.text.terminal import age_text, moment_text

_HASH = re.compile("[0-9a-f]{16}")
# Characters of a param's value that are shown.
_SHOWN = 48
# Files of a source that are named.
_NAMED_FILES = 2


def data_reasons(table: Table, state: TableState, now: Recipe | None) -> Iterator[Reason]:
    """What speaks against the stored data themselves; where they would be by other options, they may never have been.

    Args:
        table: What is stored.
        state: How it is stored.
        now: How it would be made; it may be None where there is no manifest.
    """
    manifest = state.manifest
    trouble = state.manifest_trouble
    if manifest is None and trouble is not None:
        if not state.exists and state.trouble is None:
            yield Reason("missing_data", f"{state.uri} is not there")
        message = f"{trouble.message}; {trouble.hint}" if trouble.hint else trouble.message
        yield Reason("data_changed" if state.exists else "missing_data", message)
    elif state.trouble is not None:
        yield Reason("data_changed", state.trouble.message)
    elif manifest is None:
        if not state.exists:
            yield Reason("never_materialized", "never materialized")
        else:
            yield Reason("data_changed", f"{state.uri} was not created by lakehouse (no manifest)")
    elif manifest.content_hash == UNFINISHED:
        yield Reason("data_changed", f"run {manifest.run_id} did not finish storing {state.uri}")
    elif not state.exists:
        is_gone = state.other_options is None and _ending(manifest.recipe) in (None, _ending(now))
        yield Reason("missing_data", f"{state.uri} is {'gone' if is_gone else 'not there yet'}")
    elif manifest.table != table.name:
        yield Reason("never_materialized", f"never materialized: {state.uri} was stored as table `{manifest.table}`")
    elif state.altered:
        yield Reason("data_changed", f"{state.uri} was modified {state.altered_by}{_written(table, state)}")
    elif manifest.recipe is None:
        yield Reason("never_materialized", "not computed here yet")


def _ending(recipe: Recipe | None) -> list[str | None] | None:
    """What options say of the ending of a file."""
    return None if recipe is None else [hash_of_option(recipe.storage, name) for name in ("suffix", "compression")]


def source_reasons(state: TableState) -> tuple[Reason, ...]:
    """Why a source cannot be read, as far as that is known."""
    if state.trouble is not None:
        return (Reason("missing_source", state.trouble.message),)
    if not state.exists:
        return (Reason("missing_source", f"{state.uri} does not exist"),)
    return ()


def of_another_run(table: Table, states: Mapping[str, TableState]) -> Iterator[Reason]:
    """The reason that a quarantine holds rows of another run than stored its table: one was ended between the two."""
    beside = states.get(table.quarantine_of)
    mine, its = states[table.name].manifest, None if beside is None else beside.manifest
    if mine is not None and its is not None and mine.run_id != its.run_id:
        message = f"its rows were put aside by run {mine.run_id}, and run {its.run_id} stored `{table.quarantine_of}`"
        yield Reason("data_changed", message)


def _written(table: Table, state: TableState) -> str:
    """When stored data were written, where their storage knows it, and which run had stored them."""
    written = state.content.modified_ns if state.content is not None else None
    at = ""
    if written and table.format:  # of what is no file it is a stamp, not a time
        at = f" (its time is {moment_text(datetime.fromtimestamp(written / 1e9, UTC).isoformat())})"
    return f"{at} since run {state.manifest.run_id} stored it" if state.manifest is not None else at


def recipe_reasons(function: str, manifest: Manifest, now: Recipe) -> Iterator[Reason]:
    """A reason for each part of a table's recipe that changed since it was stored."""
    before = manifest.recipe
    if before is None:
        return
    unseen = has_unseen(now.code_parts)
    if (before is now or (before == now and [*before.params] == [*now.params])) and not unseen:
        return
    if before.code != now.code or unseen:
        yield Reason("function_changed", short_names("; ".join(_code_changes(function, before, now))))
    if before.is_partial != now.is_partial:
        when = "it was computed before its period had ended" if before.is_partial else "its period has not ended"
        yield Reason("partition_open", when)
    if before.output != now.output:
        change = f"output {before.output or 'none'} → {now.output or 'none'}"
        yield Reason("function_changed", change)
    if before.inputs != now.inputs:
        yield Reason(
            "input_changed",
            f"inputs are now {', '.join(now.inputs) or 'none'}; were {', '.join(before.inputs) or 'none'}",
        )
    changes = describe_contract_change(manifest, now)
    if changes:
        yield Reason("contract_changed", changes)
    params = list(_param_changes(before.params, now.params))
    if params:
        yield Reason("params_changed", listed(params))
    if before.storage != now.storage:
        yield Reason("storage_changed", ", ".join(storage_changes(before.storage, now.storage)))
    if files := list(_file_changes(before.files, now.files)):
        yield Reason("file_changed", listed(files))
    if variables := list(_variable_changes(before.variables, now.variables)):
        yield Reason("variable_changed", listed(variables))


def _file_changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What changed of the files that a transform uses; what is not declared any more does not count any more."""
    for name in sorted(before.keys() | now.keys()) if now else ():
        was, is_ = before.get(name, ""), now.get(name, "")
        if not before:
            yield f"there is no record of lookup file `{name}` from when this was computed"
        elif was == UNSETTLED:
            yield f"lookup file `{name}` changed while this was computed"
        elif was != is_:  # empty for what is not there, and for a pattern that matches nothing
            yield f"lookup file `{name}` {'is new' if not was else 'changed' if is_ else 'is gone'}"


def _variable_changes(before: Mapping[str, str | None], now: Mapping[str, str | None]) -> Iterator[str]:
    """What changed of the variables that a transform uses, without their values."""
    for name, value in now.items():
        if name not in before:
            yield f"there is no record of variable `{name}` from when this was computed"
        elif before[name] == UNSETTLED:
            yield f"variable `{name}` changed while this was computed"
        elif before[name] != value:
            what = (
                "was not set before"
                if before[name] is None
                else "changed"
                if value is not None
                else "is not set any more"
            )
            yield f"variable `{name}` {what}"


def refresh_reasons(table: Table, manifest: Manifest, now: datetime) -> Iterator[Reason]:
    """The reason that a table is as old as its `refresh` allows, or older."""
    if table.refresh_age is None:
        return
    due = f"`refresh: {table.refresh}`"
    if table.refresh == "always":
        yield Reason("refresh_due", f"refresh due: {due}")
        return
    try:
        # When it was computed, not when it was stored: a copy is as old as what was copied.
        made = datetime.fromisoformat(manifest.started_at).astimezone(UTC)
        age = now - made
    except (ValueError, OverflowError):
        yield Reason("refresh_due", f"refresh due: its manifest does not say when it was materialized, {due}")
        return
    if made > max(now, datetime.now(UTC)):  # `--as-of` may be before it
        when = f"materialized at {moment_text(manifest.started_at)}, which is in the future"
        yield Reason("refresh_due", f"refresh due: {when}, {due}")
    elif age >= table.refresh_age:
        yield Reason("refresh_due", f"refresh due: materialized {age_text(age.total_seconds())} ago, {due}")


def _code_changes(function: str, before: Recipe, now: Recipe) -> tuple[str, ...]:
    old, new = before.code.startswith("version:"), now.code.startswith("version:")
    if old and new:
        return (f"version {before.code[8:]} → {now.code[8:]}",)
    if old or new:
        return (f"pinned to version {now.code[8:]}" if new else "no longer pinned to a version",)
    from lakehouse_cli.code.fingerprints.explanation import explain  # not needed where nothing changed

    return explain(before.code_parts, now.code_parts, function) or (f"`{function}` changed",)


def _param_changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            yield f"param `{name}` is new"
        elif name not in now:
            yield f"param `{name}` is gone"
        elif before[name] == now[name]:
            continue
        elif before[name].startswith(PRIVATE) or now[name].startswith(PRIVATE):
            yield f"param `{name}` changed"
        else:
            yield f"param `{name}`: {' → '.join(_apart(*_bare(before[name], now[name])))}"
    if before.keys() == now.keys() and [*before] != [*now]:
        yield "the params are in another order"


def _bare(*values: str) -> tuple[str, ...]:
    """Values as JSON texts, those that are texts without quotes where all of them are plain ones."""
    try:
        texts = tuple(json.loads(value) for value in values)
    except ValueError:  # of a manifest that somebody edited
        return values
    plain = all(isinstance(text, str) and flow_text(text) == text for text in texts)
    return texts if plain else values


def _apart(before: str, now: str) -> tuple[str, str]:
    """Two values as they are where they are short, else from shortly before where they begin to differ."""
    if max(len(before), len(now)) <= _SHOWN:
        return before, now
    same = next((i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now)))
    start = max(same - _SHOWN // 4, 0)
    return _part(before, start), _part(now, start)


def _part(text: str, start: int) -> str:
    return ("…" if start else "") + cut_end(text[start:], _SHOWN)


def input_reasons(manifest: Manifest, now: Mapping[str, TableState]) -> Iterator[Reason]:
    """A reason for each input whose content, or how it is read, is not what the table was made from.

    Args:
        manifest: Of the table.
        now: What is stored of each input that is read as it is stored.
    """
    for name, state in now.items():
        before, current = manifest.inputs.get(name), state.content
        if before is None:
            if _was_input(name, manifest):  # one that is new is a change of the inputs
                yield Reason("input_changed", f"there is no record of what `{name}` was when this was made from it")
        elif current is None:
            yield Reason("input_changed", gone(name))
        else:
            if current.content_hash != before.content_hash:
                files = _file_changes_of(before, current, state.shown)
                change = (
                    f"`{name}`: {files}"
                    if files
                    else f"content of `{name}` changed ({_content_change(before, current)})"
                )
                yield Reason(
                    "input_changed", f"{change}; modified {state.altered_by}" if state.altered_since else change
                )
            if current.reading != before.reading:
                yield Reason("input_changed", _reading_change(name, before, current))


def _was_input(name: str, manifest: Manifest) -> bool:
    """Whether a table was made from an input, by its recipe."""
    return manifest.recipe is not None and any(each.endswith(f": {name}") for each in manifest.recipe.inputs)


def input_notes(manifest: Manifest | None, now: Mapping[str, TableState]) -> Iterator[str]:
    """Remarks on the inputs: that somebody modified one, where no reason says so.

    Args:
        manifest: Of the table.
        now: What is stored of each input that is read as it is stored.
    """
    known = manifest.inputs if manifest is not None and manifest.recipe is not None else {}
    for name, state in now.items():
        is_reason = (
            name in known and state.content is not None and state.content.content_hash != known[name].content_hash
        )
        if state.altered_since and not is_reason:
            yield f"`{name}` was modified {state.altered_by}"


def gone(name: str) -> str:
    """The message of the reason that an input is not there any more."""
    return f"`{name}` is gone"


def _content_change(before: InputRecord, now: InputRecord) -> str:
    if now.rows >= 0 and before.rows >= 0:
        return _counts(before.rows, now.rows, "row")
    return _counts(before.bytes, now.bytes, "byte")


def _file_changes_of(before: InputRecord, now: InputRecord, shown: Callable[[str], str]) -> str:
    """What changed of the files of a source, with the first of each by name; empty where it is not many files."""
    if not before.files or not now.files:
        return ""
    old, new = ({each.path: each.content_hash for each in record.files} for record in (before, now))
    changes = {
        "new": [path for path in new if path not in old],
        "changed": [path for path in new if path in old and new[path] != old[path]],
        "gone": [path for path in old if path not in new],
    }
    parts, noun = [], "file"
    for what, paths in changes.items():
        if paths:
            named = first_named([*map(shown, paths[:_NAMED_FILES]), *paths[_NAMED_FILES:]], _NAMED_FILES)
            counted = plural(len(paths), noun) if noun else count_text(len(paths))
            parts.append(f"{counted} {what} ({named})")
            noun = ""
    return ", ".join(parts)


def _counts(before: int, now: int, what: str) -> str:
    counted = plural(now, what)
    return f"{counted} as before" if now == before else f"{counted}, before {count_text(before)}"


def _reading_change(name: str, before: InputRecord, now: InputRecord) -> str:
    if " " not in before.reading:
        return f"how `{name}` was read is not recorded"
    (was_stored, _, were), (is_stored, _, are) = before.reading.partition(" "), now.reading.partition(" ")
    if was_stored == is_stored and (were.startswith("code:") or are.startswith("code:")):
        both = were.startswith("code:") and are.startswith("code:")
        return f"`{name}` was made by other code" if both else f"nothing shows by which code `{name}` was made"
    changes = [*_column_changes(were, are), *storage_changes(was_stored, is_stored)]
    return f"`{name}` is read differently now ({listed(changes)})"


def _column_changes(before: str, now: str) -> list[str]:
    """What changed of the columns that are read."""
    if before == now:
        return []
    if not before or not now:
        return ["columns are declared now" if now else "no columns are declared any more"]
    try:
        old, new = ([ColumnRecord(name, type_) for name, type_ in json.loads(text)] for text in (before, now))
    except (ValueError, TypeError):  # the hash of many columns
        return ["other columns or types"]
    return [message for message, _ in column_changes(old, new)]


def _option_text(name: str) -> str:
    """An option as `option_of_column` names it, in words."""
    option, of_column, column = name.partition("@")
    if not of_column:
        return f"option `{option}`"
    from urllib.parse import unquote  # slow to load, and seldom needed

    return f"`{option}` of column `{unquote(column)}`"


def storage_changes(before: str, now: str) -> list[str]:
    """What changed of format and options; of values only that they did, as they may be secret."""
    if before == now:
        return []
    (old, *old_options), (new, *new_options) = before.split(","), now.split(",")
    if _HASH.fullmatch(old):
        return ["an older version of lakehouse did not keep how it is stored"]
    if old != new:
        (former, _, _), (kind, _, _) = old.partition("#"), new.partition("#")
        if former == kind:
            return [f"this version of lakehouse reads {kind} by other rules"]
        return [f"format {former} → {kind}"]
    was, is_ = (dict(option.partition("=")[::2] for option in options) for options in (old_options, new_options))
    changes = []
    for name in sorted(was.keys() | is_.keys()):
        if was.get(name) != is_.get(name):
            what = "is new" if name not in was else "is gone" if name not in is_ else "changed"
            changes.append(f"{_option_text(name)} {what}")
    return changes
