"""`uses` and `refresh`: what a transform uses beside its inputs, and the age at which a table is out of date."""

from __future__ import annotations

import re

from msgspec import Struct

from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, keys_schema, read_keys
from lakehouse_cli.config.value_types import CheckedText, Text, Texts
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar

_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"  # compiled by `re` where it is first used
#: The rules of `file_problem` as one regular expression, for the JSON Schema.
FILE_RULES = (
    r"(?![/~])(?!.*\$\{)(?!(?:.*/)?\.\.(?:/|$))(?!(?:\.?/)*(?:\.?$|\.lakehouse(?:/|$)))"
    r"(?:[^\\\x00-\x1f\x7f-\x9f\u2028\u2029])+"
)
#: What the name of a variable looks like, as a regular expression.
VARIABLE = r"[A-Za-z_][A-Za-z0-9_.()-]*"
_VARIABLE = Text(
    "the name of an environment variable",
    VARIABLE,
    hint="write the name alone, such as `MARKET`: without `$`, braces or a value",
)

_AGE = r"always|[1-9][0-9]{0,5}[smhdw]"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_WORDS = {"hourly": "1h", "daily": "1d", "weekly": "1w", "everyday": "1d", "each run": "always", "true": "always"}
_AMOUNT = r"(?i)(\d+(?:\.\d+)?)\s*([a-z]*)"
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 604800),
}


def file_problem(text: str) -> tuple[str, str] | None:
    """What is wrong with a file, folder or pattern of `uses`, and what to do; None for nothing."""
    if "${" in text:
        return "holds `${`, which is filled in only in storages, execution and params", "write the path itself"
    if re.search(_CONTROL, text):
        return "holds a control character", "write the path without it"
    if "\\" in text:
        return "holds a backslash", "separate folders with `/`"
    if text.startswith(("/", "~")):
        hint = "give it relative to the folder of the project file; what lies elsewhere can be a source table"
        return "is not a relative path", hint
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        return "leaves the project's folder by `..`", "move the file into the project, or declare it as a source table"
    if parts and parts[0] == ".lakehouse":
        return "is a file of lakehouse itself, which every run changes", "leave it out"
    if not parts:
        return "is the project's folder itself", "name the files, or a folder that holds nothing else"
    return None


_USES_KEYS = {
    "files": Key(
        Texts(CheckedText("a file or a pattern", check=file_problem, rules=FILE_RULES), unique=True),
        "Files, folders and patterns below the project's folder.",
    ),
    "env": Key(Texts(_VARIABLE, unique=True), "Names of environment variables."),
}


class UsesMap(Struct, frozen=True):
    """The map ``{files: […], env: […]}``; either may be left out."""

    def read(self, reader: Reader, node: Node, what: str) -> dict[str, tuple[str, ...]] | Invalid:
        """The items of each key that is written."""
        if not isinstance(node, Mapping):
            hint = "write a map such as `{files: [lookups/*.json], env: [MARKET]}`"
            return reader.mismatch(node, what, "a map of `files` and `env`", hint)
        found, _ = read_keys(reader, node, _USES_KEYS, what)
        return INVALID if found.keys() != node.entries.keys() else found

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return keys_schema(_USES_KEYS, "What the transform uses beside its inputs.")


class RefreshAge(Struct, frozen=True):
    """The word ``always``, or a whole number and a unit: ``30m``."""

    def read(self, reader: Reader, node: Node, what: str) -> str | Invalid:
        """The age as it is written."""
        expected = "`always` or an age such as `30m`, `6h` or `1d`"
        if not isinstance(node, Scalar) or node.is_null or re.fullmatch(_AGE, node.text) is None:
            return reader.mismatch(node, what, expected, _age_hint(node))
        return node.text

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"type": "string", "pattern": f"^(?:{_AGE})$"}


def _age_hint(node: Node) -> str:
    """How to write what was probably meant."""
    text = node.text.strip().lower() if isinstance(node, Scalar) else ""
    if text in ("never", "false", "off", "none"):
        return "remove it: without `refresh`, age does not count"
    if text == "always" or text in _WORDS:
        return f"write `{_WORDS.get(text, text)}`"
    amounts = re.findall(_AMOUNT, text)
    known = bool(amounts) and all(unit in _UNITS for _, unit in amounts)
    if known and not re.sub(_AMOUNT, "", text).strip():
        seconds = sum(float(number) * _UNITS[unit] for number, unit in amounts)
        if re.fullmatch(_AGE, age := _age_text(seconds)):
            return f"write `{age}`"
    return "write `always`, or a whole number of at most 6 digits and one of s, m, h, d, w: `30m`"


def _age_text(seconds: float) -> str:
    """An age in the largest unit that gives a whole number."""
    whole = round(seconds)
    if whole <= 0:
        return "always"
    unit = next(name for name in reversed(_SECONDS) if whole % _SECONDS[name] == 0)
    return f"{whole // _SECONDS[unit]}{unit}"
