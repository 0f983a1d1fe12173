"""Column lineage by a bound plan of DuckDB: what each column of the result comes from, and what decides its rows.

The plan is that of `json_serialize_plan` before the optimizer
(https://duckdb.org/docs/stable/data/json/sql_to_and_from_json): names are resolved, stars and CTEs unfolded, correlated
subqueries made joins, and each reference is the place of a column in what its operator is given. Operators,
expressions and table functions that are not known here are refused, so that no edge is missed; see ADR 24.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

#: A column of an input, by the names that the query has for both.
Source = tuple[str, str]
#: A column that decides a value without being in it, and how, as in `lakehouse_cli.model.column_lineage.BY`.
Effect = tuple[Source, str]

_NONE: frozenset[Any] = frozenset()
# An index that there is not.
_INVALID = 2**64 - 1
_EXPRESSIONS = frozenset(
    f"BOUND_{name}"
    for name in (
        *("AGGREGATE", "BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION"),
        *("CONSTANT", "FUNCTION", "LAMBDA", "OPERATOR", "REF", "UNNEST", "WINDOW"),
    )
)
# Functions in FROM whose rows come of their arguments alone.
_TABLE_FUNCTIONS = frozenset(("generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"))
# Lists as long as they are written, whatever is in them.
_FIXED_LISTS = frozenset(("list_value", "unpivot_list"))
# Of functions: read by name, so that the plan does not have the table.
_HIDDEN_READS = frozenset(("nextval", "currval"))
_PARTS_OF_WINDOWS = {"children": None, "offset_expr": None, "default_expr": None, "filters": "filter"}
_PARTS_OF_AGGREGATES = {"children": None, "filter": "filter", "order_bys": "order"}
_DEDUPLICATED = "__duckdb_delim_dedup_"
_BOTH_SIDES = frozenset(("INNER", "LEFT", "RIGHT", "OUTER", "FULL", "SINGLE"))


class UntraceableError(Exception):
    """A plan has something that this module does not know."""


class TracedColumn(NamedTuple):
    """What one column comes from.

    Attributes:
        direct: What its values are computed from.
        indirect: What else decides them, beside the rows of its relation.
        origin: Index and place in a query by WITH, of which it is a column as it stands.
        is_parameter: Whether it is a value that a correlated subquery is given: the same in all of its rows.
    """

    direct: frozenset[Source] = _NONE
    indirect: frozenset[Effect] = _NONE
    origin: tuple[int, int] | None = None
    is_parameter: bool = False

    def effects(self, by: str) -> frozenset[Effect]:
        """What decides something where this column does."""
        return self.indirect | {(source, by) for source in self.direct}


class TracedRelation(NamedTuple):
    """What the columns of a relation come from.

    Attributes:
        columns: In order.
        rows: What decides which rows there are.
    """

    columns: list[TracedColumn]
    rows: frozenset[Effect] = _NONE


def trace(plan: Mapping[str, Any]) -> TracedRelation:
    """Trace the columns of a plan's result.

    Raises:
        UntraceableError: It has operators or expressions that are not known.
        RecursionError: It is nested too deeply.
    """
    try:
        return _Tracer().relation(plan)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise UntraceableError("the plan of DuckDB has another form than expected") from error


class _Tracer:
    def __init__(self) -> None:
        self._queries: dict[int, TracedRelation] = {}
        # By index of table and column, for the few references that are no places.
        self._bound: dict[tuple[int, int], TracedColumn] = {}

    def relation(self, plan: Mapping[str, Any]) -> TracedRelation:
        kind = str(plan["type"]).removeprefix("LOGICAL_")
        if kind in ("MATERIALIZED_CTE", "RECURSIVE_CTE"):
            return self._materialized(plan) if kind == "MATERIALIZED_CTE" else self._recursive(plan)
        trace_operator = _OPERATORS.get(kind)
        if trace_operator is None:
            raise UntraceableError(f"it has an operator that is not known: {kind}")
        found = trace_operator(self, plan, [self.relation(child) for child in plan["children"]])
        if "table_index" in plan:
            self._bound.update(((plan["table_index"], place), column) for place, column in enumerate(found.columns))
        return found

    # Expressions

    def column(self, expression: Any, given: Sequence[TracedColumn]) -> TracedColumn:
        """What an expression, or several, are computed from."""
        if isinstance(expression, Mapping) and expression.get("expression_class") == "BOUND_REF":
            return given[expression["index"]]
        found = list(self._referred(expression, given))
        direct = _NONE.union(*(each.direct for each in found))
        return TracedColumn(direct, _NONE.union(*(each.indirect for each in found)))

    def _referred(self, expression: Any, given: Sequence[TracedColumn]) -> Iterator[TracedColumn]:
        if isinstance(expression, list):
            for each in expression:
                yield from self._referred(each, given)
        if not isinstance(expression, Mapping):
            return
        kind = expression.get("expression_class")
        if kind is not None and kind not in _EXPRESSIONS:
            raise UntraceableError(f"it has an expression that is not known: {kind}")
        if kind == "BOUND_REF":
            yield given[expression["index"]]
        elif kind == "BOUND_COLUMN_REF":
            if expression.get("depth"):
                raise UntraceableError("it has a correlated subquery that DuckDB did not make a join")
            yield self._bound[expression["binding"]["table_index"], expression["binding"]["column_index"]]
        elif kind in ("BOUND_WINDOW", "BOUND_AGGREGATE"):
            parts = _PARTS_OF_WINDOWS if kind == "BOUND_WINDOW" else _PARTS_OF_AGGREGATES
            yield from self._parted(expression, given, parts, "window")
        else:
            if kind == "BOUND_FUNCTION" and expression["qname"]["path"][-1] in _HIDDEN_READS:
                raise UntraceableError(f"it calls {expression['qname']['path'][-1]}()")
            for key, part in expression.items():
                # What a lambda refers to are its own parameters and captures; the function is given these as well.
                if key != "lambda_expr":
                    yield from self._referred(part, given)

    def _parted(
        self, expression: Mapping[str, Any], given: Sequence[TracedColumn], parts: Mapping[str, str | None], other: str
    ) -> Iterator[TracedColumn]:
        """The parts of a window or an aggregate: some are in its value, the others decide it."""
        for key, part in expression.items():
            by = parts.get(key, other)
            for each in self._referred(part, given):
                yield each if by is None else TracedColumn(indirect=each.effects(by))

    def effects(self, expression: Any, given: Sequence[TracedColumn], by: str) -> frozenset[Effect]:
        return self.column(expression, given).effects(by)

    # Operators: what each makes of the relations that it is given

    def _get(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        function = plan["qname"]["path"][-1]
        if plan["table_filters"]["filters"] or plan["projection_ids"]:
            raise UntraceableError("the plan of DuckDB is optimized")
        if function == "seq_scan" and not given:
            table, names = plan["function_data"]["table"], plan["names"]
            # Beyond the names there are row numbers, such as those of `count(*)`.
            places = (each["index"] for each in plan["column_indexes"])
            return TracedRelation(
                [
                    TracedColumn(frozenset([(table, names[place])])) if place < len(names) else TracedColumn()
                    for place in places
                ]
            )
        if function not in _TABLE_FUNCTIONS:
            raise UntraceableError(f"it reads from a function whose inputs are not known: {function}()")
        passed = [column for relation in given for column in relation.columns]
        rows = _NONE.union(*(each.rows for each in given), *(column.effects("join") for column in passed))
        whole = self._merged(passed)
        columns = [whole for _ in plan["column_indexes"]]
        return TracedRelation([*columns, *(passed[place] for place in plan["projected_input"])], rows)

    @staticmethod
    def _merged(columns: Sequence[TracedColumn]) -> TracedColumn:
        direct = _NONE.union(*(each.direct for each in columns))
        return TracedColumn(direct, _NONE.union(*(each.indirect for each in columns)))

    def _projection(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        return TracedRelation([self.column(each, child.columns) for each in plan["expressions"]], child.rows)

    def _filter(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        rows = child.rows | self.effects(plan["expressions"], child.columns, "filter")
        return TracedRelation(_mapped(child.columns, plan["projection_map"]), rows)

    def _aggregate(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        groups = [self.column(each, child.columns) for each in plan["groups"]]
        values = [self.column(each, child.columns) for each in plan["expressions"]]
        rows = child.rows.union(*(each.effects("group") for each in groups if not each.is_parameter))
        if not groups and len(plan["grouping_sets"]) < 2:
            # One row, whatever there is: what decides the rows below decides the values.
            values, rows = [TracedColumn(each.direct, each.indirect | rows) for each in values], _NONE
        return TracedRelation([*groups, *values, *(TracedColumn() for _ in plan["grouping_functions"])], rows)

    def _window(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        values = [self.column(each, child.columns) for each in plan["expressions"]]
        return TracedRelation([*child.columns, *values], child.rows)

    def _unnest(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        values = [self.column(each, child.columns) for each in plan["expressions"]]
        rows = child.rows
        if not all(_has_fixed_length(each) for each in plan["expressions"]):
            rows = rows.union(*(each.effects("join") for each in values))
        return TracedRelation([*child.columns, *values], rows)

    def _order(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        rows = child.rows | self.effects(plan["orders"], child.columns, "order")
        return TracedRelation(_mapped(child.columns, plan["projections"]), rows)

    def _limit(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        limits = [plan["limit_val"], plan["offset_val"]]
        return TracedRelation(child.columns, child.rows | self.effects(limits, child.columns, "filter"))

    def _distinct(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        rows = child.rows | self.effects(plan["distinct_targets"], child.columns, "group")
        return TracedRelation(child.columns, rows | self.effects(plan["order_by"], child.columns, "order"))

    def _sample(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:  # noqa: ARG002
        [child] = given
        return child

    def _join(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        left, right = given
        kind = plan["join_type"]
        if plan.get("duplicate_eliminated_columns"):
            raise UntraceableError("it has a correlated subquery that DuckDB did not make a join")
        conditions = self._merged(list(self._conditions(plan, left.columns, right.columns)))
        kept = _mapped(left.columns, plan["left_projection_map"])
        others = _mapped(right.columns, plan["right_projection_map"])
        # These two leave the rows of the left as they are, and give each one value: whether, or which, there is.
        if kind == "MARK":
            mark = TracedColumn(conditions.direct, conditions.indirect | right.rows)
            return TracedRelation([*kept, mark], left.rows)
        if kind == "SINGLE":
            decided = right.rows | conditions.effects("join")
            return TracedRelation([*kept, *(_decided(each, decided) for each in others)], left.rows)
        rows = left.rows | right.rows | conditions.effects("join")
        if kind in ("SEMI", "ANTI"):
            return TracedRelation(kept, rows)
        if kind not in _BOTH_SIDES:
            raise UntraceableError(f"it has a join that is not known: {kind}")
        return TracedRelation([*kept, *others], rows)

    def _conditions(
        self, plan: Mapping[str, Any], left: Sequence[TracedColumn], right: Sequence[TracedColumn]
    ) -> Iterator[TracedColumn]:
        if "condition" in plan:
            yield self.column(plan["condition"], [*left, *right])
        for each in plan.get("conditions", ()):
            if each["comparison"] == "INVALID":  # an expression over both
                yield self.column([each["left"], each["right"]], [*left, *right])
                continue
            other = self.column(each["right"], right)
            own = self.column(each["left"], left)
            # A row meets what the subquery made of its own values: what they decide is decided in there.
            is_same = other.is_parameter and own.origin == other.origin is not None
            if not (is_same and each["comparison"] == "COMPARE_NOT_DISTINCT_FROM"):
                yield own
                yield other

    def _product(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:  # noqa: ARG002
        left, right = given
        return TracedRelation([*left.columns, *right.columns], left.rows | right.rows)

    def _union(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:  # noqa: ARG002
        columns = [self._merged(each) for each in zip(*(each.columns for each in given), strict=True)]
        return TracedRelation(columns, _NONE.union(*(each.rows for each in given)))

    def _compared(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:  # noqa: ARG002
        """EXCEPT and INTERSECT: rows of the first, by whether they are in the second."""
        compared = (column.effects("join") for relation in given for column in relation.columns)
        return TracedRelation(given[0].columns, _NONE.union(*(each.rows for each in given), *compared))

    def _pivot(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        count = plan["bound_pivot"]["group_count"]
        value = self._merged(child.columns[count:])
        return TracedRelation(
            [*child.columns[:count], *(value for _ in plan["bound_pivot"]["pivot_values"])], child.rows
        )

    def _values(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:
        [child] = given
        columns = [self.column(list(each), child.columns) for each in zip(*plan["expressions"], strict=True)]
        return TracedRelation(columns, child.rows)

    def _constant(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:  # noqa: ARG002
        kind = plan["type"]
        count = {"LOGICAL_EMPTY_RESULT": "return_types", "LOGICAL_CHUNK_GET": "chunk_types"}.get(kind)
        return TracedRelation([TracedColumn() for _ in range(1 if count is None else len(plan[count]))])

    # Queries by WITH, and what DuckDB makes of correlated subqueries

    def _reference(self, plan: Mapping[str, Any], given: list[TracedRelation]) -> TracedRelation:  # noqa: ARG002
        return self._queries[plan["cte_index"]]

    def _materialized(self, plan: Mapping[str, Any]) -> TracedRelation:
        definition, query = plan["children"]
        index = plan["table_index"]
        if not _is_deduplicated(plan["ctename"], definition):
            found = self.relation(definition)
            columns = [each._replace(origin=(index, place)) for place, each in enumerate(found.columns)]
            self._queries[index] = TracedRelation(columns, found.rows)
            return self.relation(query)
        # The values of outer rows, each once, for which a subquery runs. That is no grouping.
        outer = self.relation(definition["children"][0])
        columns = [self.column(each, outer.columns)._replace(is_parameter=True) for each in definition["groups"]]
        self._queries[index] = TracedRelation(columns, outer.rows)
        found = self.relation(query)
        return TracedRelation([each._replace(is_parameter=False) for each in found.columns], found.rows)

    def _recursive(self, plan: Mapping[str, Any]) -> TracedRelation:
        if plan["key_targets"] or plan["payload_aggregates"]:
            raise UntraceableError("it has a recursion with USING KEY")
        first, further = plan["children"]
        found = self.relation(first)
        while True:
            self._queries[plan["table_index"]] = found
            more = self._union(plan, [found, self.relation(further)])
            if not plan["union_all"]:
                more = TracedRelation(more.columns, more.rows | self._merged(more.columns).effects("group"))
            if more == found:
                return found
            found = more


def _is_deduplicated(name: str, definition: Mapping[str, Any]) -> bool:
    """Whether a query by WITH is DuckDB's own: the values of outer rows that a correlated subquery is given."""
    is_aggregate = name.startswith(_DEDUPLICATED) and definition["type"] == "LOGICAL_AGGREGATE_AND_GROUP_BY"
    return is_aggregate and definition["groupings_index"] == _INVALID and not definition["expressions"]


def _mapped(columns: list[TracedColumn], places: Sequence[int]) -> list[TracedColumn]:
    """The columns that an operator hands on; all of them where none are named."""
    return [columns[place] for place in places] if places else columns


def _decided(column: TracedColumn, effects: Iterable[Effect]) -> TracedColumn:
    return column._replace(indirect=column.indirect.union(effects))


def _has_fixed_length(unnested: Mapping[str, Any]) -> bool:
    child = unnested["child"]
    if child["expression_class"] == "BOUND_FUNCTION":
        return child["qname"]["path"][-1] in _FIXED_LISTS
    return bool(child["expression_class"] == "BOUND_CONSTANT")


_OPERATORS: Mapping[str, Callable[[_Tracer, Mapping[str, Any], list[TracedRelation]], TracedRelation]] = {
    "AGGREGATE_AND_GROUP_BY": _Tracer._aggregate,
    "ANY_JOIN": _Tracer._join,
    "ASOF_JOIN": _Tracer._join,
    "CHUNK_GET": _Tracer._constant,
    "COMPARISON_JOIN": _Tracer._join,
    "CROSS_PRODUCT": _Tracer._product,
    "CTE_REF": _Tracer._reference,
    "DISTINCT": _Tracer._distinct,
    "DUMMY_SCAN": _Tracer._constant,
    "EMPTY_RESULT": _Tracer._constant,
    "EXCEPT": _Tracer._compared,
    "EXPRESSION_GET": _Tracer._values,
    "FILTER": _Tracer._filter,
    "GET": _Tracer._get,
    "INTERSECT": _Tracer._compared,
    "LIMIT": _Tracer._limit,
    "ORDER_BY": _Tracer._order,
    "PIVOT": _Tracer._pivot,
    "POSITIONAL_JOIN": _Tracer._product,
    "PROJECTION": _Tracer._projection,
    "SAMPLE": _Tracer._sample,
    "UNION": _Tracer._union,
    "UNNEST": _Tracer._unnest,
    "WINDOW": _Tracer._window,
}
