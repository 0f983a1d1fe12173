"""What has changed between two fingerprints, in words."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse_cli.fingerprints.modules import NOT_INSTALLED
from lakehouse_cli.fingerprints.unseen import UNSEEN

_CALLED = {"function": "helper", "class": "class", "constant": "constant", "loop": "loop variable", "import": "import"}


def explain(before: Mapping[str, str], now: Mapping[str, str], function: str) -> tuple[str, ...]:
    """Say what changed in the code that a function reaches: the function itself first, versions last.

    Args:
        before: The parts of a `CodeFingerprint`, as they were stored.
        now: Its parts now.
        function: The name of the function, as in the project file, without its module.

    Returns:
        Messages of one line each; none where the parts are the same and all of the code could be read.
    """
    changed = {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    changed = {key for key in changed if not key.startswith(UNSEEN)} | {key for key in now if key.startswith(UNSEEN)}
    moved = {old: new for old in changed - now.keys() if (new := _moved_to(old, before, now, changed)) is not None}
    told: list[tuple[int, str, str]] = []
    named_files = {key.partition(":")[0] for key in changed if _is_named(key)}
    for key in changed - set(moved.values()) - _passing_on(changed, before, now):
        if _is_module(key, before, now) and key in named_files and key in before.keys() & now.keys():
            continue  # what changed in it is told by name
        if key.endswith(":<text>") and key.partition(":")[0] in named_files:
            continue  # likewise
        if key.startswith("package ") and (message := _told_whereabouts(key[8:], before, now)) is not None:
            told.append((1, f"{key[8:]}.py", message))
            continue
        told.append(_told(key, before.get(key), now.get(key), function, moved.get(key)))
    return tuple(dict.fromkeys(message for _, _, message in sorted(told)))


def _told(key: str, old: str | None, new: str | None, function: str, moved: str | None) -> tuple[int, str, str]:
    """A message, after its rank and its key, by which it is put in order."""
    if key == "python":
        return 5, key, f"Python {old or 'unknown'} → {new or 'unknown'}"
    if key.startswith("package "):
        return 4, key, _told_package(key.removeprefix("package "), old, new)
    if key.startswith(UNSEEN):
        return 4, key, _told_unseen(key.removeprefix(UNSEEN), new or "")
    if key == "docstrings":
        return 3, key, "docstrings that are looked at changed"
    file, _, name = key.partition(":")
    if not name:
        if old is None or new is None:
            return 3, key, f"{file} is {'newly' if old is None else 'no longer'} reached as a whole"
        return 3, key, f"code in {file} changed"
    if name == "<module>":
        return 2, key, f"statements that run when {file} is imported changed"
    if name == "<annotations>":
        return 2, key, f"annotations of variables in {file} changed"
    if name == "<text>":
        if old is None or new is None:
            return 3, key, f"the text of {file} is {'newly' if old is None else 'no longer'} looked at"
        return 3, key, f"the text of {file} changed, which is looked at"
    if name == function:
        return 0, key, f"`{name}` {_what(old, new, moved, file)}"
    kind = (new or old or "").partition(" ")[0]
    return 1, key, f"{_CALLED.get(kind, 'definition')} `{name}` {_what(old, new, moved, file)}"


def _what(old: str | None, new: str | None, moved: str | None, file: str) -> str:
    if moved is not None:
        return f"moved from {file} to {moved.partition(':')[0]}"
    if old is None:
        return f"is newly reached ({file})"
    return f"is no longer reached ({file})" if new is None else f"changed ({_where(old, new, file)})"


def _where(old: str, new: str, file: str) -> str:
    """The files in which statements changed that make a definition what it is; its own stands first in its value."""
    before, now = _files(old, file), _files(new, file)
    changed = [name for name in now.keys() | before.keys() if before.get(name) != now.get(name)]
    if not changed and list(before) != list(now):
        others = [name for name in now if name != file]
        return f"{' and '.join(others)} run in another order" if len(others) > 1 else file
    return ", ".join(sorted(changed, key=lambda name: (name != file, name))) or file


def _files(value: str, file: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    own, *others = value.split("; ")
    for part in (f"{file} {own.rpartition(' ')[2]}", *others):
        name, _, digest = part.rpartition(" ")
        found.setdefault(name, []).append(digest)
    return found


def _told_package(name: str, old: str | None, new: str | None) -> str:
    if old is None:
        return f"{name} {new} is newly reached"
    return f"{name} is no longer reached" if new is None else f"{name} {old} → {new}"


def _told_whereabouts(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """That a module of the project has appeared or gone away, if a package of that name is what it looks like."""

    def is_own(parts: Mapping[str, str]) -> bool:
        return any(key.startswith((f"{name}.py:", f"{name}/")) or key == f"{name}.py" for key in parts)

    key = f"package {name}"
    if before.get(key) == NOT_INSTALLED and key not in now and is_own(now):
        return f"`{name}` is in the project now"
    if now.get(key) == NOT_INSTALLED and key not in before and is_own(before):
        return f"`{name}` is in the project no more"
    return None


def _passing_on(changed: set[str], before: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """Parts that appear or go only because a definition in another file does: imports of it, that file as a whole."""
    found: set[str] = set()
    for parts, others in ((before, now), (now, before)):
        only = [key for key in changed if key in parts and key not in others and _is_named(key)]
        imports = {key.partition(":")[2]: key for key in only if parts[key].startswith("import ")}
        for key in only:
            file, _, name = key.partition(":")
            if name in imports and imports[name] != key and not parts[key].startswith("import "):
                found |= {imports[name], file} if file in changed and file not in others else {imports[name]}
    return found


def _told_unseen(name: str, why: str) -> str:
    """Why it is thought changed, and three ways out."""
    if name == "sys.path":
        told = f"what imports lead to cannot be told: {why} changes `sys.path` or a `__path__`"
        return f"{told}; put that code into the project, install it, or set `version:`"
    if why == "outside":
        told = f"whether `{name}` changed cannot be told: it is outside the project; move it there"
    else:
        told = f"whether `{name}` changed cannot be told: it is neither in the project nor installed; put it there"
    return f"{told}, install it, or set `version:`"


def _is_named(key: str) -> bool:
    return ":" in key and not key.endswith(">")


def _is_module(key: str, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    return (now.get(key) or before.get(key) or "").startswith("module ")


def _moved_to(old: str, before: Mapping[str, str], now: Mapping[str, str], changed: set[str]) -> str | None:
    """Where a definition that is no longer reached is now, if it is the same and that is certain."""
    if not _is_named(old):
        return None
    name = old.partition(":")[2]
    same = [
        key
        for key in changed
        if key not in before and now[key] == before[old] and _is_named(key) and key.partition(":")[2] == name
    ]
    return same[0] if len(same) == 1 else None
