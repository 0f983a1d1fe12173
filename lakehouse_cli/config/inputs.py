"""The `inputs` of a table: a list of tables, or a map of parameters to tables."""

from __future__ import annotations

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Reader, as_list
from lakehouse_cli.config.value_types import PARAMETER_HINT, PARAMETER_SCHEMA, Text, Texts, is_parameter
from lakehouse_cli.config.yaml_tree import Mapping, Node, Sequence

_TABLE = Text("a table's name", "[A-Za-z_][A-Za-z0-9_]*", ("string", "boolean"), hint="name it as under `tables`")
_TABLES = Texts(_TABLE)


class Inputs:
    """A list of tables, matched to the parameters in order, or a map of parameters to tables."""

    def read(self, reader: Reader, node: Node, what: str) -> tuple[str, ...] | dict[str, str] | Invalid:
        """The tables, by number or parameter; the graph finds those that are not declared."""
        if isinstance(node, Sequence):
            return _TABLES.read(reader, node, what)
        if not isinstance(node, Mapping):
            return reader.mismatch(node, what, "a list of tables, or a map of parameters to tables", as_list(node))
        found: dict[str, str] = {}
        broken = False
        for name, (key, value) in node.entries.items():
            table = _TABLE.read(reader, value, f"{quoted(name)} in {what}")
            if not is_parameter(name):
                reader.report(key, f"{quoted(name)} in {what} is not a parameter's name", PARAMETER_HINT)
                broken = True
            elif isinstance(table, Invalid):
                broken = True
            else:
                found[name] = table
        return INVALID if broken else found

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        mapping = {"type": "object", "propertyNames": PARAMETER_SCHEMA, "additionalProperties": _TABLE.schema()}
        return {"anyOf": [_TABLES.schema(), mapping]}
