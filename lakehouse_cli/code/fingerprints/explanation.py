"""What has changed between two fingerprints, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from lakehouse_cli.code.fingerprints.modules import NOT_INSTALLED
from lakehouse_cli.code.fingerprints.value import NOT_BOUND, NOT_FOLLOWED, ORDER, QUERY, RULES, UNSEEN
from lakehouse_cli.text.counts import count_text
from lakehouse_cli.text.name_lists import first_few

_CALLED = {"function": "helper", "class": "class", "constant": "constant", "loop": "loop variable", "import": "import"}
# Where messages come in the order that are about the whole project.
_FIRST, _LAST = -1, 9
# What stands, in the value of a part, for the statements that bind it.
_BINDING = "="
_NAMED = 3
# Messages in all; where there are more, the last of these says how many.
_MOST = 9


def explain(before: Mapping[str, str], now: Mapping[str, str], function: str) -> tuple[str, ...]:
    """Say what changed in the code that a function reaches: the function itself first, versions last.

    Where the whole project counts from now on, that comes before, and what this leads to comes after all else.

    Args:
        before: The parts of a `CodeFingerprint`, as they were stored.
        now: Its parts now.
        function: The name of the function, as in the project file, without its module.

    Returns:
        Messages of one line each, so few that they can be read; none where the parts are the same and all of the code
        could be read.
    """
    if before and (incomparable := _incomparable(before, now)) is not None:
        return (incomparable,)
    keys = (before.keys() | now.keys()) - {NOT_FOLLOWED, NOT_BOUND, RULES}
    changed = {key for key in keys if before.get(key) != now.get(key)}
    changed = {key for key in changed if not key.startswith(UNSEEN)} | {key for key in now if key.startswith(UNSEEN)}
    if len(changed) > 1:
        changed.discard(ORDER)  # added and removed ones are reported by name
    moved = {old: new for old in changed - now.keys() if (new := _moved_to(old, before, now, changed)) is not None}
    found: list[tuple[int, str, str]] = []
    given = _given_another(before, now, moved)
    if given is not None:
        found.append((0, "", given))
        changed -= {key for key, others in ((next(iter(before)), now), (next(iter(now)), before)) if key not in others}
    cause = _not_followed(before, now, changed)
    if cause is not None:
        found.append((_FIRST, "", cause))
    gone = set(now.get(NOT_BOUND, "").split()) & (changed - now.keys() - moved.keys())
    changed -= {file for file in _files_of(gone) if file not in before}  # looked through for what is gone
    named_files = _files_of(key for key in changed if _is_named(key))
    for key in changed - set(moved.values()) - _passing_on(changed, before, now):
        if _is_module(key, before, now) and key in named_files and key in before.keys() & now.keys():
            continue  # what changed in it is named
        if key.endswith(":<text>") and key.partition(":")[0] in named_files:
            continue  # likewise
        if key.startswith("package ") and (message := _whereabouts_message(key[8:], before, now)) is not None:
            found.append((1, f"{key[8:]}.py", message))
        elif _is_named(key) and key in before.keys() & now.keys():
            rank, called = _called(key, now[key], function)
            found += [(rank, key, message) for message in _changes(key, called, before[key], now[key], changed)]
        else:
            rank, _, message = _message(key, before.get(key), now.get(key), function, moved.get(key))
            if key in gone:
                rank, file, called = 0, key.partition(":")[0], _called(key, before[key], function)[1]
                message = f"{called} is gone ({file}), and is still used"
            follows = cause is not None and (key in now) != (key in before)
            found.append((_LAST if follows else rank, key, message))
    messages = list(dict.fromkeys(message for _, _, message in sorted(found)))
    most = min(_MOST, len({message for rank, _, message in found if rank != _LAST}) + _NAMED + 1)
    if len(messages) > most:
        messages[most - 1 :] = [f"and {count_text(len(messages) - most + 1)} more"]
    return tuple(messages)


def _incomparable(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Why the parts cannot be compared one by one, if they cannot."""
    if before.get(RULES) != now.get(RULES):
        return "this version of lakehouse compares code by other rules"
    if (QUERY in before) == (QUERY in now):
        return None
    file, _, name = next(iter(now), "").partition(":")
    return "a query computes it now" if QUERY in now else f"`{name}` ({file}) computes it now, and no query"


def _not_followed(before: Mapping[str, str], now: Mapping[str, str], changed: Collection[str]) -> str | None:
    """That the whole project counts from now on, or no longer does, and for whose sake; if it is so."""
    was, is_ = before.get(NOT_FOLLOWED, "").split(), now.get(NOT_FOLLOWED, "").split()
    if bool(was) == bool(is_) or not any(_is_module(key, before, now) for key in changed):
        return None
    shown = _listed(was or is_)
    one = len(was or is_) == 1
    if is_:
        return f"{shown} now {'does' if one else 'do'} what cannot be followed, so that the whole project counts"
    return f"{shown} no longer {'does' if one else 'do'} what cannot be followed"


def _listed(names: Sequence[str]) -> str:
    """Names as part of a sentence, the first few of them."""
    return first_few(names, _NAMED) if len(names) > _NAMED else " and ".join(names)


def _files_of(keys: Iterable[str]) -> set[str]:
    return {key.partition(":")[0] for key in keys}


def _given_another(before: Mapping[str, str], now: Mapping[str, str], moved: Mapping[str, str]) -> str | None:
    """That the table is given another function now, if it is: the function is the first of the parts.

    What it is called is part of its hash, so that more is not known of it.
    """
    was, is_ = next(iter(before), ""), next(iter(now), "")
    if was == is_ or was in moved or not (_is_named(was) and _is_named(is_)):
        return None
    file, _, name = is_.partition(":")
    return f"the function is now `{name}`{'' if was.startswith(f'{file}:') else f' ({file})'}"


def _message(key: str, old: str | None, new: str | None, function: str, moved: str | None) -> tuple[int, str, str]:
    """The message on one changed part, after the rank and key that it is ordered by."""
    if key == "python":
        return 5, key, f"Python {old or 'unknown'} → {new or 'unknown'}"
    if key.startswith("package "):
        return 4, key, _package_message(key.removeprefix("package "), old, new)
    if key.startswith(UNSEEN):
        return 4, key, _unseen_message(key.removeprefix(UNSEEN), new or "")
    if key == QUERY:
        return 0, key, "the query changed"
    if key == ORDER:
        return 3, key, _order_message(_files(f"{ORDER}; {old}", ""), _files(f"{ORDER}; {new}", ""))
    file, _, name = key.partition(":")
    if not name:
        if old is None or new is None:
            return 3, key, f"{_uses(old)} {file} as a whole"
        return 3, key, f"code in {file} changed"
    if name == "<module>":
        return 2, key, f"statements that run when {file} is imported changed"
    if name == "<text>":
        if old is None or new is None:
            return 3, key, f"{'now' if old is None else 'no longer'} looks at the text of {file}"
        return 3, key, f"the text of {file} changed, which is looked at"
    value = new or old or ""
    rank, called = _called(key, value, function)
    if moved is not None:
        return rank, key, f"{called} moved from {file} to {moved.partition(':')[0]}"
    imports = value.startswith("import ")
    return rank, key, f"{_uses(old)} `{name}`, which {file} imports" if imports else f"{_uses(old)} {called} ({file})"


def _order_message(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    """That statements run in another order, and of which files, or the files one after the other."""
    changed = [file for file in new if file in old and old[file] != new[file]]
    if changed:
        return f"statements of {_listed(changed)} run in another order"
    before, now = list(old), list(new)
    while before and now and before[-1] == now[-1]:
        before.pop()
        now.pop()
    while before and now and before[0] == now[0]:
        del before[0], now[0]
    return f"{_listed(now or before)} are imported in another order"


def _uses(old: str | None) -> str:
    return "now uses" if old is None else "no longer uses"


def _called(key: str, value: str, function: str) -> tuple[int, str]:
    """Where a definition comes in the order, and what it is called."""
    name = key.partition(":")[2]
    if name == function:
        return 0, f"`{name}`"
    return 1, f"{_CALLED.get(value.partition(' ')[0], 'definition')} `{name}`"


def _changes(key: str, called: str, old: str, new: str, named: Collection[str]) -> Iterator[str]:
    """What changed of a definition that is there before and after: what binds it, or what acts on it, in which file.

    Args:
        key: The part.
        called: What it is called.
        old: Its value.
        new: Its value now.
        named: Parts that are reported by themselves.
    """
    file, _, name = key.partition(":")
    before, now = _files(old, file), _files(new, file)
    changed = {each for each in now.keys() | before.keys() if before.get(each) != now.get(each)}
    files = sorted((each for each in changed if each != _BINDING and ":" not in each), key=lambda f: (f != file, f))
    if not files:
        yield f"{called} changed ({file})"
    acting = {each for each in changed if ":" in each}
    for each in files:
        own = {one for one in acting if one.startswith(f"{each}:")}
        if each == file:
            known = _BINDING in before and _BINDING in now
            if _BINDING in changed if known else not own:
                yield f"{called} changed ({file})"
                continue
        if own - set(named):
            yield _acted(own - set(named), name, before, now)
        elif not own:
            yield f"what acts on `{name}` changed ({each})"


def _acted(keys: set[str], name: str, before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """That definitions of a file changed, came or went, which act on another."""
    one = len(keys) == 1
    what = "changed"
    if not keys & before.keys():
        what = "is new" if one else "are new"
    elif not keys & now.keys():
        what = "is gone" if one else "are gone"
    shown = _listed([f"`{name}`" for name in sorted(key.partition(":")[2] for key in keys)])
    file = next(iter(keys)).partition(":")[0]
    return f"{shown}, which {'acts' if one else 'act'} on `{name}`, {what} ({file})"


def _files(value: str, file: str) -> dict[str, list[str]]:
    """The digests in a part's value: by file, by definition in a file, and of what binds it."""
    found: dict[str, list[str]] = {}
    own, *others = value.split("; ")
    for part in (f"{file} {own.rpartition(' ')[2]}", *others):
        name, _, digest = part.rpartition(" ")
        found.setdefault(name, []).append(digest)
    return found


def _package_message(name: str, old: str | None, new: str | None) -> str:
    if new is None:
        return f"no longer uses {name}"
    if new == NOT_INSTALLED:
        return f"now uses {name}, which is not installed" if old is None else f"{name} {old} is not installed any more"
    if old == NOT_INSTALLED:
        return f"{name} {new} is installed now"
    return f"now uses {name} {new}" if old is None else f"{name} {old} → {new}"


def _whereabouts_message(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
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


def _unseen_message(name: str, why: str) -> str:
    """The reason why it counts as changed, and three ways out."""
    if name == "sys.path":
        why = f"what imports lead to cannot be determined: {why} changes `sys.path` or a `__path__`"
        return f"{why}; put that code into the project, install it, or set `version:`"
    if why == "outside":
        why = f"whether `{name}` changed cannot be determined: it is outside the project; move it there"
    else:
        why = f"whether `{name}` changed cannot be determined: it is neither in the project nor installed; put it there"
    return f"{why}, install it, or set `version:`"


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
