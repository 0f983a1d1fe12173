"""Queries made at random over a column of each type, in SQL that PostgreSQL and DuckDB have in common.

In the patterns below, `{one|other}` is one of these: a value of a kind (`int`), a column of it (`=int`), of the table
`y` (`int@y`), of any kind (`any`), of the kind that the pattern is for (`same`), a condition (`test`), or the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

#: The columns of the table `a`, and DuckDB's query of its rows.
COLUMNS = """\
      id: int64
      n: int32
      amt: "decimal128(10, 2)"
      wide: "decimal128(12, 4)"
      f: float64
      s: string
      t: string
      day: date32
      wall: "timestamp[us]"
      ins: "timestamp[us, tz=UTC]"
      ok: bool
      tm: "time64[us]"
      dur: "duration[us]"
"""
ROWS = """\
      select id::bigint as id, n::int as n, amt::decimal(10, 2) as amt, wide::decimal(12, 4) as wide, f::double as f,
        s::varchar as s, t::varchar as t, day::date as day, wall::timestamp as wall, ins::timestamptz as ins,
        ok::boolean as ok, tm::time as tm, to_microseconds((dur * 1e6)::bigint) as dur
      from (values
        (1, 7, 9.00, 9.0, '-0.0', 'b', 'B', '2024-01-31', '2024-01-31 23:59:59.5', '2024-01-31 23:30', true, '00:00',
         86400),
        (2, -7, 10.00, 2.5, '0.5', 'B', 'b', '2023-12-31', '2023-12-31 12:00', '1969-12-31 23:59:59.999999', false,
         '12:30', 0.5),
        (3, 2, -1.50, -2.5, 'nan', '', ' ', '0001-02-28', '1970-01-01', '1970-01-01', true, '23:59:59.999999', -5400),
        (4, 0, 100.25, 0.005, 'inf', 'ä', 'Ä', '2024-02-29', '2024-02-29 00:00:00.000001', '2024-03-31 01:30', null,
         '00:00:01', 0),
        (5, 10, 2.25, 0.0001, '-inf', 'a%b', 'a_b', '2024-12-30', '2024-12-30', '2024-10-27 02:30', false, '01:00',
         3456000),
        (6, 3, 9.00, 100.25, '1e300', 'a b ', 'a b', '2024-01-31', '2024-01-31', '2024-01-31', true, '12:30', 1),
        (7, -3, 0.00, -0.5, '2.5', '10', '9', '9999-12-31', '9999-12-31', '9999-12-31', false, '00:00', 86400),
        (8, 2147483647, 99999999.99, 0.1234, '1e-5', 'a\\b', 'É', '1970-01-01', '1582-10-10', '1900-01-01', null,
         '06:00', 86400.000001),
        (9, null, null, null, null, null, null, null, null, null, null, null, null),
        (10, 1, 1.10, 1.1, '0.0', 'a-b', 'ab', '2024-01-01', '2024-01-01', '2024-01-01', true, '12:00', 1)
      ) v(id, n, amt, wide, f, s, t, day, wall, ins, ok, tm, dur)"""
_COLUMNS = {
    "int": ("id", "n"),
    "dec": ("amt", "wide"),
    "float": ("f",),
    "text": ("s", "t"),
    "date": ("day",),
    "wall": ("wall",),
    "instant": ("ins",),
    "bool": ("ok",),
    "time": ("tm",),
    "span": ("dur",),
}
#: What the value of a query is declared as, by its kind.
DECLARED = {
    "int": "int64",
    "dec": "decimal128(30, 6)",
    "float": "float64",
    "text": "string",
    "date": "date32",
    "wall": "timestamp[us]",
    "instant": "timestamp[us, tz=UTC]",
    "bool": "bool",
    "time": "time64[us]",
    "span": "duration[us]",
}
_DATE_PARTS = "year|month|day|doy|dow|isodow|week|quarter|isoyear"
_PERIODS = "month|week|year|quarter|day|hour|minute|second|decade"
_ZONES = "UTC|Europe/Zurich|America/New_York|Asia/Kolkata"
_EVERY = "1 month|1 day|36 hours|90 minutes|1 year|13 months|1 month -1 day"
# Letters beyond ASCII stay as they are: PostgreSQL changes them by its locale.
_VALUES = {
    "int": (
        *("{int} + {n}", "{int} - {int}", "{int} * {n}", "-({int})", "abs({int})", "{int} % 3", "sign({int})::bigint"),
        *("length({text})", "strpos({text}, {'b'|text})", "position({'b'|text} in {text})", "ascii({text})"),
        f"extract({{{_DATE_PARTS}}} from {{date|wall|instant}})::bigint",
        "extract({hour|minute} from {wall|instant|time})::bigint",
        *("{date} - {date}", "{bool}::int", "cast({int} as bigint)", "cast({dec} as bigint)", "round({dec})::bigint"),
        *("floor({dec})::bigint", "ceil({dec})::bigint", "trunc({dec})::bigint"),
        *("cast('{12|-3| 5 |007}' as bigint)", "(select count(*) from a y where {test@y})"),
        "(select count(distinct {=any@y}) from a y)",
    ),
    "dec": (
        *("{dec} + {dec}", "{dec} - {1|0.5|int}", "{dec} * {2|0.1|-1}", "-({dec})", "abs({dec})", "{dec} % 3"),
        *("round({dec}, {0|1|2|3})", "cast({dec} as decimal(14, {0|1|2|3}))", "cast({int} as decimal(14, 2))"),
        *("cast('{1.005|-2.5|0.125|7}' as decimal(8, 2))", "floor({dec})", "ceil({dec})", "trunc({dec})"),
    ),
    "float": (
        *("{float} + {1|0.5|int}", "{float} * {2|-1}", "-({float})", "abs({float})", "{float} / 4"),
        *("cast({dec|int} as double precision)", "floor({float})", "ceil({float})", "trunc({float})"),
        "cast('{1e3|nan|-0.0|infinity|.5}' as double precision)",
        "cast(extract(epoch from date_trunc('second', {wall|instant})) as double precision)",
    ),
    "text": (
        *(
            "{text} || {text}",
            "{text} || {int|=dec|date|bool}",
            "concat({text}, {text}, 'z')",
            "upper({|trim}(x.t))",
            "lower({|trim}(x.s))",
        ),
        *("trim({text})", "{ltrim|rtrim}({text}, 'a ')", "substr({text}, {1|2|3}, {0|1|2|3})"),
        *("substring({text} from 2)", "{left|right}({text}, {n})", "replace({text}, 'a', {text})", "reverse({text})"),
        *("repeat({text}, 2)", "{lpad|rpad}({text}, {0|3}, '*-')", "split_part({text}, ' ', {1|2})"),
        *("cast({int|=dec|date|bool|time} as varchar)", "translate({text}, 'ab', 'xy')", "md5({text})"),
        *("chr(abs({=int} % 26)::int + 65)", "concat_ws('-', {text}, {text})"),
    ),
    "date": (
        *("cast({wall|instant} as date)", "{=date} - {0|1|40}", "cast('{2024-02-29|1999-01-08}' as date)"),
        f"cast(date_trunc('{{{_PERIODS}}}', {{wall}}) as date)",
        *("make_date(2024, {1|2|12}, {1|28|29})", "date '2024-01-31'"),
    ),
    "wall": (
        *("cast({date} as timestamp)", f"date_trunc('{{{_PERIODS}}}', {{wall}})"),
        *(f"({{=wall|=date}} - interval '{{{_EVERY}}}')", f"({{instant}} at time zone '{{{_ZONES}}}')"),
        *("cast('{2024-02-29 12:00:00.123456|2024-02-29T12:00:00}' as timestamp)", "({=date} + {time})"),
        *("({=wall} - {span})", "timestamp '2024-03-31 02:30:00'"),
    ),
    "instant": (
        *(f"({{wall}} at time zone '{{{_ZONES}}}')", f"({{=instant}} - interval '{{{_EVERY}}}')"),
        *(f"date_trunc('{{{_PERIODS}}}', {{instant}})", "cast({wall|date} as timestamptz)"),
        "timestamptz '2024-03-31 02:30:00{+02|Z|-05:30|}'",
    ),
    "bool": ("({test})", "(not {bool})", "(({bool}) is {|not }null)"),
    "time": (
        *("cast({wall} as time)", "({time} + interval '{90 minutes|25 hours|1 s}')", "time '{12:30|23:59:59.5|00:00}'"),
        "({time} - interval '1 hour')",
    ),
    "span": (
        *("({=wall} - {wall})", "({=instant} - {instant})", "({span} + interval '90 minutes')", "{span} * 2"),
        *("-({span})", "interval '{1 day|36 hours|90 seconds}'"),
    ),
}
#: Of values of any kind; of truth values, the two lack the greatest.
_ANY = (
    *(
        "{=same}",
        "coalesce({same}, {=same})",
        "case when {test} then {same} else {=same} end",
        "nullif({same}, {=same})",
    ),
    "case when {bool} then {same} end",
)
_ORDERED = ("{greatest|least}({same}, {=same})", "(select {max|min}({=same@y}) from a y where y.id <= {=int})")
#: What is compared with each other, beside what is of one kind.
_NEAR = {
    "int": "int|dec|float",
    "dec": "dec|int|float",
    "float": "float|int",
    "date": "date|wall",
    "wall": "wall|date",
}
_TESTS = (
    *("{same} {sign} {near}", "{same} {sign} {near}", "{same} {|not }between {near} and {=same}"),
    *("{same} {|not }in ({near}, {=same})", "{same} is {|not }null", "({bool} {and|or} {|not }{bool})"),
    *("{text} {|not }{like|ilike} '{a%|%b|_|%_b%|A%||%|a_b}'", "{same} {|not }in (select {=same@z} from a z)"),
    "exists (select 1 from a z where {=same@z} {sign} {same} and z.id <> {=int})",
    *("{same} = any (select {=same@z} from a z)", "starts_with({text}, 'a')", "{text} {sign} {'a'|'B'|''}"),
)
_AGGREGATES = {
    "int": ("count({any})", "count(distinct {any})", "count(*)", "sum({=int})"),
    "dec": ("sum({|distinct }{dec})",),
    "text": ("string_agg({text}, ',' order by {=text}, x.id)",),
    "bool": ("bool_{and|or}({bool})",),
}
_NULLS = " nulls first| nulls last| desc nulls last| desc nulls first"
#: `SOME` and `VALUE` are the same wherever they stand.
_QUERIES = (
    *("select x.id, VALUE as v from a x", *["select x.id, VALUE as v from a x where {test}"] * 3),
    "select min(x.id) as id, {aggregate} as v from a x group by SOME",
    "select min(x.id) as id, {aggregate} as v from a x group by SOME having {count(*)|sum(x.id)} {sign} {n}",
    "select 0 as id, {aggregate} filter (where {test}) as v from a x where {test}",
    "select count(*) as id, v from (select VALUE as v from a x) z group by v",
    "select min(id) as id, v from (select x.id, VALUE as v from a x) z group by grouping sets ((v), ())",
    "select y.id, {same} as v from a x {join|left join} a y on {=same@y} {sign} {same}",
    "select coalesce(x.id, -y.id) as id, {same@y} as v from a x {|left |right |full }join a y on x.id = y.n",
    "select 0 as id, v from (select VALUE as v from a x {union|union all|intersect|except|except all|intersect all}"
    " select {same} from a x) z",
    f"select x.id, VALUE as v from a x order by SOME{{{_NULLS}}}, x.id limit {{1|3|5}}",
    "select r as id, v from (select VALUE as v, {rank|dense_rank}()"
    f" over ({{|partition by x.id % 3 }}order by SOME{{{_NULLS}}}) as r from a x) z where r < 5",
    f"select x.id, {{lag|lead|first_value|last_value}}({{=same}}) over (order by SOME{{{_NULLS}}}, x.id) as v from a x",
    "select distinct 1 as id, VALUE as v from a x",
    "with w as (select x.id, VALUE as v from a x where {test}) select id, v from w"
    " where v {sign} (select v from w order by id limit 1)",
)


class Grammar(NamedTuple):
    """What queries are made of: patterns, by the kind of the value where they are of one.

    Attributes:
        columns: The columns of each kind.
        values: Patterns of values.
        any: Of values of any kind.
        ordered: Of values of any kind that has a greatest.
        near: What is compared with each kind.
        tests: Conditions.
        aggregates: Aggregates, beside the greatest and least of any kind.
        queries: Queries; `SOME` and `VALUE` are the same wherever they stand.
    """

    columns: Mapping[str, tuple[str, ...]]
    values: Mapping[str, tuple[str, ...]]
    any: tuple[str, ...]
    ordered: tuple[str, ...]
    near: Mapping[str, str]
    tests: tuple[str, ...]
    aggregates: Mapping[str, tuple[str, ...]]
    queries: tuple[str, ...]


IN_COMMON = Grammar(_COLUMNS, _VALUES, _ANY, _ORDERED, _NEAR, _TESTS, _AGGREGATES, _QUERIES)


class QueryMaker:
    """Makes queries of `id`, a whole number, and `v`.

    Args:
        chance: What it draws from.
        grammar: What they are made of.
    """

    def __init__(self, chance: Random, grammar: Grammar = IN_COMMON) -> None:
        self._grammar = grammar
        self._one = chance.choice
        self._chance = chance

    def query(self, kind: str | None = None) -> tuple[str, str]:
        """A query, and the kind of its `v`: the one that is asked for, or any."""
        kind = kind or self._kind()
        value, some = self._value(kind, 2, "x"), self._value(self._kind(), 1, "x")
        text = self._filled(self._one(self._grammar.queries), kind, 2, "x")
        return text.replace("VALUE", value).replace("SOME", some), kind

    def _kind(self) -> str:
        return self._one(tuple(self._grammar.values))

    def _value(self, kind: str, depth: int, table: str) -> str:
        of = self._grammar
        patterns = (*of.values[kind], *of.any, *(of.ordered if kind != "bool" else ()))
        return self._filled(self._one(patterns if depth > 0 else ("{=same}",)), kind, depth - 1, table)

    def _filled(self, pattern: str, kind: str, depth: int, table: str) -> str:
        def drawn(braces: re.Match[str]) -> str:
            name, _, other = self._one(braces[1].split("|")).partition("@")
            of, is_column = other or table, name.startswith("=")
            match name.removeprefix("="):
                case "n":
                    return str(self._chance.randrange(-5, 6))
                case "sign":
                    return self._one(("=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"))
                case "test":
                    return self._filled(self._one(self._grammar.tests), self._kind(), depth - 1, of)
                case "aggregate":
                    patterns = self._grammar.aggregates.get(kind, ()) + (
                        () if kind == "bool" else ("{max|min}({same})",)
                    )
                    return self._filled(self._one(patterns), kind, depth - 1, of)
                case "same":
                    wanted = kind
                case "near":
                    wanted = self._one(self._grammar.near.get(kind, kind).split("|"))
                    is_column, wanted = is_column or wanted.startswith("="), wanted.removeprefix("=")
                case "any":
                    wanted = self._kind()
                case found if found in self._grammar.values:
                    wanted = found
                case _:
                    return name
            return f"{of}.{self._one(self._grammar.columns[wanted])}" if is_column else self._value(wanted, depth, of)

        return re.sub(r"\{([^{}]*)\}", drawn, pattern)
