"""Comparisons in queries of SQLite that give other rows than the types of the columns say.

Each expression of a query is given what its values may be, and what is compared or becomes one column must go
together. Decimals are left to the run, which has the values (`storage.relational.sqlite_queries`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import chain, product
from typing import Any, NamedTuple

from lakehouse_cli.model import ColumnType
from lakehouse_cli.plan.sqlite_forms import (
    DATE,
    FORM,
    MAKERS,
    MOMENT,
    TIME,
    Value,
    Values,
    joined,
    of_column,
    part,
    times_a_number,
    wrong,
)
from lakehouse_cli.storage_types.names import ascii_lower
from lakehouse_cli.storage_types.sqlite_select import UnreadableError, read_select
from lakehouse_cli.storage_types.sqlite_tree import Core, Expression, Select, Source

_SUBSECONDS = ("subsec", "subsecond")
_FORMATS = {"%Y": "0000", "%m": "00", "%d": "00", "%H": "00", "%M": "00", "%S": "00", "%f": "00.000"}
_FORMATS |= {"%F": DATE, "%T": TIME, "%R": "00:00"}
_OF_KINDS = {"number": "number", "blob": "blob", "test": "bool"}
#: Functions that give what some of their arguments are: of which to which.
_PASSING = {
    **dict.fromkeys(("max", "min", "coalesce", "ifnull"), slice(None)),
    **dict.fromkeys(("first_value", "last_value", "nth_value", "nullif", "likely", "unlikely", "likelihood"), slice(1)),
    **dict.fromkeys(("lag", "lead"), slice(None, None, 2)),
    **dict.fromkeys(("iif", "if"), slice(1, None)),
    "sum": slice(1),
    "abs": slice(1),
}
#: Texts that are as true or false as the numbers that SQLite makes of them.
_TRUTHS = ("0", "1", "f", "false")
#: Functions that compute with numbers.
_COMPUTING = frozenset(("sum", "abs", "total", "avg", "round"))
_NUMBERS = re.compile(
    r"total|avg|round|sum|abs|count|(octet_|json_array_)?length|instr|julianday|unixepoch|unicode|sign|row_number"
    r"|(dense_|percent_)?rank|cume_dist|ntile|ceil(ing)?|floor|trunc|sqrt|pow(er)?|mod|exp|ln|log(10|2)?"
)
_TEXTS = re.compile(
    r"lower|upper|[lr]?trim|substr(ing)?|replace|printf|format|hex|quote|typeof|char|group_concat|string_agg"
    r"|concat(_ws)?|soundex|strftime|timediff"
)
_NUMERIC_TYPE = re.compile(r"numeric|decimal|number|bool|boolean")
_TEXT_TYPE, _NUMBER_TYPE = re.compile(r"char|clob|text"), re.compile(r"int|real|floa|doub")


class Comparison(NamedTuple):
    """What is wrong with a comparison.

    Attributes:
        message: What it compares.
        hint: What to write.
        offset: Where, 0-based, in the query.
    """

    message: str
    hint: str
    offset: int


#: Names and values of the columns of a table or result; None where they are not known.
_Columns = Sequence[tuple[str, Values]] | None


class _Scope(NamedTuple):
    """What names mean in a SELECT.

    Attributes:
        around: Where it stands.
        clauses: What WITH gives.
        tables: What it reads.
        results: What it returns.
        known: The values of its expressions.
    """

    around: _Scope | None
    clauses: Mapping[str, _Columns]
    tables: list[tuple[str, _Columns]]
    results: dict[str, Values]
    known: dict[Expression, Values]

    def find(self, table: str, name: str) -> Values:
        for alias, columns in self.tables:
            if table in ("", alias):
                if columns is None:
                    return (Value("unknown", name),)
                found = next((values for each, values in columns if each == name), None)
                if found is not None:
                    return found
        if not table and name in self.results:
            return self.results[name]
        return self.around.find(table, name) if self.around is not None else (Value("unknown", name),)


def wrong_comparisons(
    text: str,
    inputs: Mapping[str, Mapping[str, ColumnType]],
    params: Mapping[str, Any],
    declared: Mapping[str, ColumnType],
) -> Iterator[Comparison]:
    """Find the comparisons of a query whose rows would be others than their types say.

    Args:
        text: The query.
        inputs: The columns of each input, by its name in the query; none where they are not known.
        params: Values of `$name`.
        declared: The columns of the result.
    """
    tables: dict[str, _Columns] = {
        ascii_lower(table): [(ascii_lower(name), (of_column(name, kind),)) for name, kind in kinds.items()] or None
        for table, kinds in inputs.items()
    }
    judge, unread = _Judge(tables, params), None
    try:
        query = read_select(text)
        results = judge.result(query)
    except UnreadableError as error:
        unread = error.offset
    except RecursionError:  # an expression of hundreds of operators
        unread = 0
    if unread is not None:
        if any(each.kind in ("moment", "duration") for columns in tables.values() for _, (each,) in columns or ()):
            yield Comparison(
                "is not understood, so that nobody knows what it compares with dates, times or durations",
                "correct it or write it another way; or remove `engine: storage`",
                unread,
            )
        return
    of_result = {ascii_lower(name): of_column(name, kind) for name, kind in declared.items()}
    for name, values in results or ():
        if name in of_result and of_result[name].kind == "duration":
            judge.compare(values, "=", (of_result[name],), query.begin, "stores")
    yield from {each.offset: each for each in reversed(judge.found)}.values()  # the first of each place


class _Judge:
    """Gives expressions their values, and collects what is wrong.

    Args:
        inputs: Their columns, by name.
        params: Values of `$name`.
    """

    def __init__(self, inputs: Mapping[str, _Columns], params: Mapping[str, Any]) -> None:
        self._inputs = inputs
        self._params = params
        self.found: list[Comparison] = []

    def compare(self, left: Values, sign: str, right: Values, at: int, verb: str = "compares") -> None:
        """Note what is wrong where values are compared or become one column."""
        for one, other in product(left, right):
            problem = wrong(one, sign, other, verb)
            if problem is not None:
                self.found.append(Comparison(*problem, at))

    def _mixed(self, several: Iterable[Values], at: int) -> Values:
        """What becomes one column, in which values stay what they are; decimals, which are texts, with any text."""
        found: Values = ()
        for each in several:
            one, other = (
                tuple(value._replace(is_column=False) for value in values if value.kind != "decimal")
                for values in (found, each)
            )
            self.compare(one, "=", other, at, "mixes")
            found = tuple(dict.fromkeys((*found, *each)))
        return found

    # Queries.

    def result(
        self, select: Select, around: _Scope | None = None, clauses: Mapping[str, _Columns] | None = None, own: str = ""
    ) -> _Columns:
        """The columns of a result.

        Args:
            select: The query.
            around: What names mean where it stands.
            clauses: What WITH gives there.
            own: The name that WITH gives it, by which it may read itself.
        """
        known = dict(clauses or {})
        for clause in select.clauses:
            columns = self.result(clause.select, around, known, clause.name)
            known[clause.name] = _renamed(columns, clause.columns)
        found: _Columns = None
        for number, core in enumerate(select.cores):
            scope, columns = self._core(core, around, known)
            if len(select.cores) == 1:
                for each in select.others:
                    self._value(each, scope._replace(tables=[("", [*scope.results.items()]), *scope.tables]))
            if number and found is not None and columns is not None:
                pairs = zip(found, columns, strict=False)
                at = select.begin
                found = [(name, self._mixed((old, new), at)) for (name, old), (_, new) in pairs]
            else:
                found = columns
            if own and not number and len(select.cores) > 1:
                known[own] = found
        if found is not None and len(select.cores) > 1:
            found = [(name, tuple(each._replace(is_column=False) for each in values)) for name, values in found]
        return found

    def _core(self, core: Core, around: _Scope | None, clauses: Mapping[str, _Columns]) -> tuple[_Scope, _Columns]:
        scope = _Scope(around, clauses, [], {}, {})
        for source in core.sources:
            columns = self._source(source, around, clauses)
            self._join(scope, source, columns)
            scope.tables.append((source.alias, columns))
        found: list[tuple[str, Values]] = []
        is_known = True
        for item in core.items:
            if item.expression is None:
                several = [columns for alias, columns in scope.tables if item.name in ("", alias)]
                is_known &= None not in several
                found += [each for columns in several for each in columns or ()]
            else:
                found.append((item.name, self._value(item.expression, scope)))
        scope.results.update(reversed(found))
        for each in core.others:
            self._value(each, scope)
        return scope, found if is_known else None

    def _source(self, source: Source, around: _Scope | None, clauses: Mapping[str, _Columns]) -> _Columns:
        if source.select is not None:
            return self.result(source.select, around, clauses)
        return clauses[source.name] if source.name in clauses else self._inputs.get(source.name)

    def _join(self, scope: _Scope, source: Source, columns: _Columns) -> None:
        """Compare the columns by which a table is joined to those before it."""
        here = dict(columns or ())
        for name in here if source.using is None else source.using:
            there = next((dict(each)[name] for _, each in scope.tables if each is not None and name in dict(each)), ())
            self.compare(there, "=", here.get(name, ()), source.begin)

    # Expressions.

    def _value(self, node: Expression, scope: _Scope) -> Values:
        """What an expression may be."""
        if node not in scope.known:
            scope.known[node] = self._judged(node, scope)
        return scope.known[node]

    def _judged(self, node: Expression, scope: _Scope) -> Values:
        if node.kind == "column":
            return scope.find(node.table, node.value)
        if node.kind == "select":
            return self._row(node, scope)[0]
        if node.kind == "compare":
            for left, right in zip(*(self._row(each, scope) for each in node.parts), strict=False):
                self.compare(left, node.value, right, node.begin)
            return (Value("bool", "…"),)
        for each in node.others:
            self._value(each, scope)
        return self._made(node, [self._value(each, scope) for each in node.parts])

    def _made(self, node: Expression, parts: Sequence[Values]) -> Values:
        """What an expression makes of its parts."""
        match node.kind:
            case "text" | "param" | "constant":
                return self._literal(node)
            case "case":
                return tuple(each.within("case … …") for each in self._mixed(parts, node.begin))
            case "test" if node.value in ("and", "or", "not"):
                self._truth(chain.from_iterable(parts), node.begin)
            case "same":
                return tuple(each._replace(is_column=False) for each in parts[0])
            case "cast":
                return self._cast(node, parts[0])
            case "||":
                return joined(parts)
            case "arithmetic":
                return self._computed(node, parts)
            case "call":
                return self._call(node, parts)
        form = node.value if node.kind == "number" else ""
        return (Value(_OF_KINDS.get(node.kind, "unknown"), node.value or "…", form=form),)

    def _row(self, node: Expression, scope: _Scope) -> Sequence[Values]:
        """What is compared with what: the values of a row or of a subquery's columns, or the one value."""
        if node.kind == "row":
            return [self._value(each, scope) for each in node.parts]
        if node.kind != "select" or node.select is None:
            return [self._value(node, scope)]
        columns = self.result(node.select, scope, scope.clauses) or [("", (Value("unknown", "…"),))]
        return [tuple(each.within("(select … …)") for each in values) for _, values in columns]

    def _literal(self, node: Expression) -> Values:
        value: Any = node.value
        if node.kind == "constant":
            if value in MAKERS:
                return (Value("moment", value, form=MAKERS[value]),)
            return () if value == "null" else (Value("bool", value),)
        if node.kind == "param":
            value = self._params.get(value[1:])
        if isinstance(value, date):
            value = value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
        if isinstance(value, str):
            return (Value("text", "", form=value, is_literal=True),)
        kind = "bool" if isinstance(value, bool) else "number"
        return () if value is None else (Value(kind, node.value, form=str(value) if kind == "number" else ""),)

    def _cast(self, node: Expression, values: Values) -> Values:
        if _NUMBER_TYPE.search(node.value) is None and _TEXT_TYPE.search(node.value):
            # The text of a column of decimals keeps its collation, by which it is a number.
            return tuple(
                each.within("…" if each.kind == "moment" else "cast(… as text)")
                for each in values
                if each.kind == "moment" or (each.kind == "decimal" and each.is_column)
            ) or (Value("text", "cast(…)"),)
        if "blob" in node.value or not node.value:
            return (Value("blob", "cast(…)"),)
        if not _NUMBER_TYPE.search(node.value) and not _NUMERIC_TYPE.match(node.value):
            message = f"casts to `{node.value}`, which makes numbers: SQLite has no type of that name"
            makers = {"date": "date(…)", "time": "time(…)"}
            other = next((f"`{made}`" for name, made in makers.items() if node.value == name), "")
            other = other or ("`datetime(…)`" if "time" in node.value else "`cast(… as text)`")
            self.found.append(Comparison(message, f"write {other}", node.begin))
            return ()
        if self._number([values], "casts to a number", node.begin):
            return ()
        return (Value("number", "cast(…)", is_column=True),)

    def _truth(self, values: Iterable[Value], at: int) -> None:
        """Note texts that stand for true or false, but for those of which SQLite makes the number that is the same."""
        for each in values:
            if each.kind in ("moment", "text", "blob") and not (each.is_literal and each.form in _TRUTHS):
                message = f"takes {each.written} for true or false: SQLite makes a number of it"
                self.found.append(Comparison(message, "compare it, or write `is not null`", at))

    def _number(self, several: Iterable[Values], verb: str, at: int) -> bool:
        """Note moments of which SQLite takes the digits at the beginning for a number; return whether there are any."""
        before = len(self.found)
        for each in chain.from_iterable(several):
            if each.kind == "moment" or (each.is_literal and MOMENT.fullmatch(each.form)):
                message = f"{verb} {each.written}, a text of which SQLite takes the digits up to the first sign"
                hint = "write `julianday(…)` for its days, `strftime('%Y', …)` for a part, or `date(…, '+1 day')`"
                self.found.append(Comparison(message, hint, at))
        return len(self.found) > before

    def _computed(self, node: Expression, parts: Sequence[Values]) -> Values:
        if self._number(parts, "computes with", node.begin):
            return ()
        durations = [tuple(each for each in values if each.kind == "duration") for values in parts]
        if node.value in ("+", "-") and all(durations):
            return self._mixed(durations, node.begin)
        if node.value == "*" and any(durations):
            times = next((each.value for each in node.parts if each.kind == "number"), "")
            return tuple(times_a_number(each, times) for values in durations for each in values)
        return (Value("number", "…"),)

    def _call(self, node: Expression, parts: Sequence[Values]) -> Values:
        name, called = node.value, f"{node.value}(…)"
        if name in ("iif", "if"):
            self._truth(parts[0], node.begin)
        if name in _COMPUTING and self._number(parts[:1], "computes with", node.begin):
            return ()
        if name in ("nullif", "max", "min") and len(parts) > 1:
            self.compare(parts[0], "=", parts[1], node.begin)
        if name in ("sum", "abs") and not any(each.kind == "duration" for values in parts for each in values):
            return (Value("number", called),)
        if name in _PASSING:
            return tuple(each.within(called) for each in self._mixed(parts[_PASSING[name]], node.begin))
        literals = [each.form for values in parts for each in values if each.is_literal]
        if name in MAKERS:
            fraction = ".000" if any(each in _SUBSECONDS for each in literals) and name != "date" else ""
            return (Value("moment", called, form=MAKERS[name] + fraction),)
        form = ""
        if name == "strftime" and parts and any(each.is_literal for each in parts[0]):
            form = re.sub("%[A-Za-z]", lambda found: _FORMATS.get(found[0], found[0]), parts[0][0].form)
        if name in ("substr", "substring") and parts:
            form = part(parts[0], [each.value for each in node.parts[1:]])
        if form and FORM.fullmatch(form):
            return (Value("moment", called, form=form),)
        if _NUMBERS.fullmatch(name):
            return (Value("number", called),)
        return (Value("text" if _TEXTS.fullmatch(name) else "unknown", called),)


def _renamed(columns: _Columns, names: Sequence[str]) -> _Columns:
    if columns is None or not names:
        return columns
    return [(name, values) for name, (_, values) in zip(names, columns, strict=False)]
