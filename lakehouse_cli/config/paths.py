"""What the path of a table and the root of a storage may be."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.formats import FormatSpec, file_suffixes, find_form
from lakehouse_cli.formats.spec import TEXT_COMPRESSIONS
from lakehouse_cli.model import Table
from lakehouse_cli.storage_types import SCHEMES, STORAGE_TYPES, StorageType, bucket_problem, known_names, scheme_of

#: The folder under a storage's root where manifests lie.
RESERVED_FOLDER = ".lakehouse"

# None of them is printable, as nearly all paths are; compiled by `re` where it is first used.
_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"
_RESERVED = "".join(f"[{c}{c.upper()}]" if c.isalpha() else r"\." for c in RESERVED_FOLDER)
#: The rules of `path_problem` as one regular expression, for the JSON Schema.
PATH_PATTERN = (
    r"(?!.*\$\{)(?:(?!(?:\.{1,2}|REST)(?:/|$))[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029]+)"
    r"(?:/(?!(?:\.{1,2}|REST)(?:/|$))[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029]+)*/?"
).replace("REST", _RESERVED)
#: The rules of `root_problem` likewise; what variables stand for is not known there.
ROOT_PATTERN = r"(?!~)[^\x00-\x1f\x7f-\x9f\u2028\u2029]+"
# Of a file or folder, on Linux and macOS.
_LONGEST_NAME = 255


def path_problem(path: str) -> tuple[str, str] | None:
    """What is wrong with the path of a table, and what to do; None where it stays within its storage's root."""
    parts, slash = path.split("/"), ""
    if len(parts) > 1 and not parts[-1]:  # a folder
        parts.pop()
        slash = "/"
    named = [part for part in parts if part not in ("", ".")]
    if "${" in path:
        return "holds `${`, which is filled in only in storages, execution and params", "write the path itself"
    if not path.isprintable() and re.search(_CONTROL, path):
        return "holds a control character", "use letters, digits, `_`, `-` and `/`"
    if "\\" in path:
        return "holds a backslash", "separate folders with `/`"
    if path.startswith("/"):
        return "is absolute", "give it relative to the root of its storage"
    if ".." in parts:
        within = posixpath.normpath("/".join(parts))
        if within.partition("/")[0] == "..":
            return "leaves the root of its storage by `..`", "declare a storage with another root for it"
        goes_through = any(mark in path.partition("..")[0] for mark in "*?{")
        hint = f"write {quoted(within + slash)}" if within != "." and not goes_through else "name the folder itself"
        return "goes up again by `..`", hint
    if "" in parts or "." in parts:
        return (
            "has an empty part or a `.` in it",
            f"write {quoted('/'.join(named) + slash)}" if named else "write it as `folder/name`",
        )
    if any(part.casefold() == RESERVED_FOLDER for part in parts):
        return f"uses the folder `{RESERVED_FOLDER}`, which is kept for manifests", "choose another name"
    return None


def root_problem(root: str) -> tuple[str, str] | None:
    """What is wrong with the root of a storage, variables filled in; the message does not show it."""
    if root.startswith("~"):
        return "begins with `~`, which is not expanded", "write `${HOME}` in its place"
    if not root.isprintable() and re.search(_CONTROL, root):
        return "holds a control character", "name a folder"
    scheme, colon, _ = root.partition(":")
    if scheme.lower() in SCHEMES and colon:
        return f"begins like a URL and is none, `{scheme}:…`", f"write `{scheme}://…`, or `./{scheme}:…` for a folder"
    return None


def mistaken_root(root: str, shown: str) -> tuple[str, str] | None:
    """What would be a folder of that name and is meant otherwise, and what to write; None where nothing is.

    >>> mistaken_root("sqlite:///lake.db", "sqlite:///lake.db")
    ('begins with a type of storage, `sqlite:…`', 'write `{type: sqlite, root: lake.db}`')
    >>> mistaken_root("$HOME/lake", "$HOME/lake")
    ('holds `$HOME`, which stands for itself', 'write `${HOME}`')
    >>> mistaken_root("s3://bucket", "s3://bucket") or mistaken_root("lake.db", "lake.db")

    Args:
        root: The root, variables filled in.
        shown: As it is written.
    """
    if "$" in shown and (found := re.search(r"(?<![^/])\$([A-Za-z_]\w*)(?![^/])", shown)):
        return f"holds `{found[0]}`, which stands for itself", f"write `${{{found[1]}}}`"
    name, colon, _ = root.partition(":")
    kind = name.lower()
    if not colon or kind in SCHEMES or kind not in {"file", *known_names()}:
        return None
    before, _, rest = shown.partition(":")
    if before != name or not rest.strip("/"):
        rest = "…"
    elif rest.startswith("//"):  # in URLs of SQLAlchemy, what follows the third slash is the path
        rest = rest[2:] if kind in ("file", "files") else rest[2:].removeprefix("/")
    known = STORAGE_TYPES.get(kind)
    if known is not None and known.root == "url":
        rest = f"{known.schemes[0]}://{rest}"
    if any(mark in rest for mark in "{}[],#"):
        rest = f'"{rest}"'
    is_said = kind in ("file", "files") or (known is not None and known.root == "url")
    keys = f"root: {rest}" if is_said else f"type: {kind}, root: {rest}"
    return f"begins with a type of storage, `{name}:…`", f"write {quoted(f'{{{keys}}}')}"


def url_problem(root: str, known: Sequence[str], of: StorageType | None = None) -> tuple[str, str] | None:
    """What is wrong with a root that is to be a URL of one of some schemes; the message does not show it.

    Args:
        root: The root, variables filled in.
        known: The schemes.
        of: The type that is declared; None where the root decides it.
    """
    scheme = scheme_of(root)
    may_be_folder = of is None or "folder" in of.root
    shown = ", ".join(f"{each}://…" for each in known)
    if scheme is None:
        return "is no URL", f"write one such as {shown}"
    if scheme not in known:
        hint = f"name {'a local folder, or ' if may_be_folder else ''}one of {shown}"
        if of is not None and scheme in SCHEMES:
            folders = "in local folders and " if may_be_folder else ""
            return f"is a URL of type {SCHEMES[scheme]}; tables of type {of.name} live {folders}at {shown} only", hint
        return f"is a URL of a kind that is not known, `{scheme}://`", hint
    if not root.isprintable() and re.search(_CONTROL, root):
        return "holds a control character", "write it without"
    if root.partition("?")[0].count("@") > 1:
        # What follows the first would be taken for the host, and shown.
        return "holds more than one `@`", "write an `@` of the password as `%40`, and a `/` as `%2F`"
    return bucket_problem(root)


def suffix_problem(table: Table, spec: FormatSpec) -> tuple[str, str] | None:
    """Whether a path brings the ending that the format adds."""
    folded, suffix = table.path.casefold(), str(table.options.get("suffix", spec.suffix))
    for compressed in ("", *TEXT_COMPRESSIONS.values()) if suffix else ():
        full = suffix.casefold() + compressed
        if folded.endswith(full) and len(folded) > len(full):
            ending, stem = table.path[-len(full) :], table.path[: -len(full)]
            return f"ends in {quoted(ending)}, which the format adds", f"write {quoted(stem)}"
    return None


def length_problem(table: Table) -> tuple[str, str] | None:
    """Whether a folder or file of a table's path, or its manifest, has a longer name than file systems take."""
    suffix = ending_of(table)
    if 4 * (len(table.path) + len(suffix) + len(".json")) <= _LONGEST_NAME:
        return None  # a character is four bytes at most
    added = max(len(os.fsencode(suffix)), len(".json") if table.kind == "computed" else 0)
    *folders, last = (len(os.fsencode(part)) for part in table.path.split("/"))
    if max(last + added, *folders, 0) <= _LONGEST_NAME:
        return None
    return f"has a name of more than {_LONGEST_NAME} bytes in it", "give the table a shorter `path:`"


def ending_of(table: Table) -> str:
    """The ending that a table's file is written with; empty where it is no file."""
    known = find_form(table)
    return file_suffixes(known, table.options)[0] if known else ""
