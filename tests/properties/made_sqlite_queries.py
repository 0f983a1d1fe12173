"""Queries made at random over a column of each type, in SQL that SQLite and DuckDB have in common, with `MACROS`."""

from __future__ import annotations

from tests.properties.made_typed_queries import Grammar

#: The columns of the table `a`, and DuckDB's query of its rows.
COLUMNS = """\
      id: int64
      n: int32
      amt: "decimal128(10, 2)"
      wide: "decimal128(12, 4)"
      f: float64
      s: string
      u: string
      day: date32
      due: date32
      wall: "timestamp[us]"
      seen: "timestamp[us]"
      sec: "timestamp[s]"
      ins: "timestamp[ms, tz=UTC]"
      ok: bool
      tm: "time64[us]"
      ts: "time32[s]"
      dur: "duration[s]"
      span: "duration[ms]"
      raw: binary
"""
ROWS = """\
      select id::bigint as id, n::int as n, amt::decimal(10, 2) as amt, wide::decimal(12, 4) as wide, f::double as f,
        s::varchar as s, u::varchar as u, day::date as day, due::date as due, wall::timestamp as wall,
        seen::timestamp as seen, sec::timestamp_s as sec, ins::timestamptz as ins, ok::boolean as ok, tm::time as tm,
        ts::time as ts, to_seconds(dur) as dur, to_milliseconds(span) as span, raw::blob as raw
      from (values
        (1, 7, 9.00, 9.0, '-0.0', 'b', '2024-01-31', '2024-01-31', '2024-01-30', '2024-01-31 23:59:59.5', '2024-01-31',
         '2024-01-31', '2024-01-31', true, '00:00', '00:00', 60, 60000, 'b'),
        (2, -7, 10.00, 2.5, '0.5', '5', '2024-01-31 00:00:00', '2023-12-31', '2024-02-02', '2023-12-31 12:00',
         '2024-01-31 12:00:00.000001', '2023-12-31 12:00', '2024-01-31 12:00:00.001', false, '12:30', '12:30', 1, 1,
         '5'),
        (3, 2, -1.50, -2.5, '2.5', '', '2023-12-31 12:00:00.000000', '2024-02-29', '2024-02-29', '1970-01-01',
         '2023-12-31 12:00', '1970-01-01', '1970-01-01', true, '23:59:59.999999', '23:59:59', 9, 10, ''),
        (4, 0, 100.25, 100.25, '100.25', '10', '12:30:00', '2024-01-01', '2024-01-31', '2024-01-01',
         '2024-02-29 00:00:00.000001', '2024-01-01 00:00:01', '2024-01-01', null, '00:00:01', '00:00:01', 10, 9000,
         '10'),
        (5, 2024, 2.25, 0.0001, '9', '9', '9', '2024-01-31', '2025-01-31', '2024-01-31', '2024-01-31',
         '2024-01-31 12:00', '2024-01-31', false, '12:00', '12:00', 86400, 86400000, '9'),
        (6, 5, 9.00, 9.0, '10', 'b', 'b', '2024-01-31', '2024-01-31', '2024-01-31', '2024-01-31', '2024-01-31',
         '2024-01-31 12:00', true, '00:00', '12:00', 0, 0, 'b'),
        (7, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null)
      ) v(id, n, amt, wide, f, s, u, day, due, wall, seen, sec, ins, ok, tm, ts, dur, span, raw)"""
#: SQLite's functions, for DuckDB.
MACROS = """\
create macro date(x) as cast(x as date), (x, m) as cast(cast(x as timestamp) + cast(m as interval) as date);
create macro datetime(x) as date_trunc('second', cast(x as timestamp)),
  (x, m) as date_trunc('second', cast(x as timestamp)) + cast(m as interval);
create macro time(x) as make_time(extract(hour from x), extract(minute from x), floor(extract(second from x)));
create macro iif(c, a, b) as case when c then a else b end;
create macro julianday(x) as julian(cast(x as timestamp)) - 0.5;
create macro group_concat(x, y) as string_agg(x, y);
"""
#: What the value of a query is declared as, and cast to in DuckDB, by its kind.
DECLARED = {
    "int": ("int64", "bigint"),
    "dec": ("decimal128(30, 4)", "decimal(30, 4)"),
    "float": ("float64", "double"),
    "text": ("string", "varchar"),
    "date": ("date32", "date"),
    "wall": ("timestamp[us]", "timestamp"),
    "sec": ("timestamp[s]", "timestamp_s"),
    "instant": ("timestamp[ms, tz=UTC]", "timestamptz"),
    "bool": ("bool", "boolean"),
    "time": ("time64[us]", "time"),
    "seconds": ("duration[s]", "interval"),
    "milliseconds": ("duration[ms]", "interval"),
    "bytes": ("binary", "blob"),
}
_COLUMNS = {
    "int": ("id", "n"),
    "dec": ("amt", "amt", "wide"),
    "float": ("f",),
    "text": ("s", "u"),
    "date": ("day", "due"),
    "wall": ("wall", "seen"),
    "sec": ("sec",),
    "instant": ("ins",),
    "bool": ("ok",),
    "time": ("tm",),
    "seconds": ("dur",),
    "milliseconds": ("span",),
    "bytes": ("raw",),
}
_DAYS = "'2024-01-31'|'2024-01-31 00:00:00'|'2024-01-01'|'2024-01-31 12:00'|'2024-1-31'"
_MOMENTS = f"{_DAYS}|'2024-01-31T12:00:00'|'2024-01-31 00:00:00.000000'|'2024-02-29 00:00:00.000001'"
_ANY_MOMENT = "=date|=wall|=sec|=instant|date|wall|sec|instant"
_VALUES = {
    "int": (
        *("{int} + {n}", "{int} - {int}", "{int} * {n}", "abs({int})", "length({text})", "instr({text}, 'b')"),
        *("{date} - {date}", "cast({int} as integer)", "cast({date|=sec} as integer)", "{|-}{bool} + {int}"),
        *("(select count(*) from a y where {test@y})", "(select count(distinct {=any@y}) from a y)"),
        *(
            "cast(strftime('%Y', {date|=wall}) as integer)",
            "strftime('%{Y|m}', {date|=wall})",
            "cast({'5'|' 10 '} as integer)",
        ),
        *("'{5|10|2024}'", "count(*) over ()"),
    ),
    "dec": (
        *("{dec} + {dec}", "{dec} - {1|0.5|int}", "{dec} * {2|0.5|-1}", "-({dec})", "abs({dec})"),
        *("(select {=dec@y} from a y where y.id = {=int})", "{9|9.5|10.0|100.25|-1.5}"),
    ),
    "float": (
        *("{float} + {1|0.5|int}", "{float} * {2|-1}", "abs({float})", "cast({dec|int} as real)"),
        *("julianday({=date|=wall})", "julianday({=date}) - julianday({=date})", "round({float})"),
    ),
    "text": (
        *(
            "{text} || {text}",
            "{text} || {int|date}",
            "upper({text})",
            "trim({text})",
            "substr({text}, {1|2}, {1|2|10})",
        ),
        *(
            "substr({=date|=wall|=sec}, 1, {4|7|10})",
            "strftime('%Y-%m', {=date|=wall})",
            "replace({text}, 'b', {text})",
        ),
        *("strftime('%Y-%m-%d{| %H:%M:%S}', {=date|=wall})", "cast({int|date|=dec} as varchar)", "'{2024-01-31|b|5}'"),
        "(select group_concat(y.s, ',') from a y where y.id = {=int})",
    ),
    "date": (
        *(
            "date({=wall|=sec|=instant|=date})",
            "date({=date}, '{+1 day|-1 month}')",
            "{=date} + {1|int}",
            "{=date} - 1",
        ),
        *("cast({=wall|=sec} as date)", f"{{{_DAYS}}}"),
    ),
    "wall": (*("({=wall} - {seconds})", f"{{{_MOMENTS}}}", "cast({=date|=sec} as timestamp)"), *["{=wall}"] * 3),
    "sec": (*("datetime({=wall|=sec|=date})", "datetime({=sec}, '+1 day')", f"{{{_MOMENTS}}}"), *["{=sec}"] * 3),
    "instant": ("{=instant}", f"{{{_MOMENTS}}}", "datetime({=instant})"),
    "bool": ("({test})", "(not {bool})", "(({bool}) is {|not }null)", "{true|false}", "'{true|1|f}'"),
    "time": ("time({=wall|=time|=sec})", "'{12:30|12:00:00|00:00:00.000000}'", "{=time}", "x.ts"),
    "seconds": ("({=wall} - {wall})", "{seconds} * 2", "{seconds} + {seconds}", "{=seconds}"),
    "milliseconds": ("{milliseconds} * 2", "{=milliseconds} + {seconds}", "{=milliseconds}", "({=sec} - {=wall})"),
    "bytes": ("{=bytes}", "x'62'", "'b'"),
}
_ANY = (
    *("{=same}", "{=same}", "coalesce({same}, {near})", "ifnull({near}, {=same})", "nullif({same}, {near})"),
    *("case when {test} then {same} else {near} end", "case {same} when {near} then {=same} else {same} end"),
    *("case when {bool} then {same} end", "iif({test}, {same}, {near})", "({same})"),
    "(select {=near@y} from a y where y.id = {=int})",
    "(select z.v from (select y.id, {near@y} as v from a y) z where z.id = {=int})",
)
_ORDERED = ("(select {max|min}({same@y}) from a y where y.id <= {=int})", "(select {max|min}({near@y}) from a y)")
_NEAR = {
    "int": "=int|int|dec|float|bool|text",
    "dec": "=dec|dec|int|float",
    "float": "=float|float|int|dec",
    "text": "=text|text|int|date|bytes",
    "date": _ANY_MOMENT,
    "wall": _ANY_MOMENT,
    "sec": _ANY_MOMENT,
    "instant": _ANY_MOMENT,
    "bool": "=bool|bool|int",
    "time": "=time|time",
    "seconds": "=seconds|seconds|=milliseconds",
    "milliseconds": "=milliseconds|milliseconds|=seconds",
    "bytes": "bytes|text",
}
_SIGNED = "{same} {=|<>|<|<=|>|>=|is distinct from|is not distinct from} {near}"
_TESTS = (
    *[_SIGNED] * 4,
    *("{same} {|not }between {near} and {near}", "{same} {|not }in ({near}, {=same})", "{same} is {|not }null"),
    *("({bool} {and|or} {|not }{bool})", "{=same} {|not }in (select {near@z} from a z where {=same@z} is not null)"),
    "({same}, {=int}) {=|<>} (select {near@z}, z.id from a z where z.id = {=int})",
    "({same}, {=int}) in (select {near@z}, z.id from a z)",
    "exists (select 1 from a z where {near@z} {=|<|>=} {same} and z.id <> {=int})",
    "{same} in (values ({near}), ({=same}))",
)
_AGGREGATES = {
    "int": ("count({any})", "count(distinct {any})", "sum({=int})", "sum({date} > {near})", "sum({=date})"),
    "dec": ("{max|min}({dec})",),
    "bool": ("{max|min}({bool})",),
    "float": ("sum({float})", "avg({int})", "total({int})"),
}
_DERIVED = "(select x.id, VALUE as v, {near} as w from a x)"
_QUERIES = (
    *("select x.id, VALUE as v from a x", *["select x.id, VALUE as v from a x where {test}"] * 4),
    "select min(x.id) as id, {aggregate} as v from a x group by SOME",
    "select min(x.id) as id, {aggregate} as v from a x group by x.n having {aggregate} {=|<|>=} {near}",
    "select 0 as id, {aggregate} filter (where {test}) as v from a x where {test}",
    f"select id, v from {_DERIVED} z where v {{=|<|<=|>|>=|<>}} w",
    "with z(id, v, w) as (select x.id, VALUE, {near} from a x) select id, v from z where w {<|>=|=} v",
    "select id, v from (select x.id, VALUE as v, {max|min}({near}) over () as w from a x) z where v {=|<|>=} w",
    "select id, v from (select x.id, VALUE as v, {lag|lead|first_value}({near}) over (order by x.id) as w from a x) z"
    " where v {=|<|>=} w",
    "select y.id, {same} as v from a x {join|left join} a y on {near@y} {=|<>|<|>=} {same}",
    "select y.id, v from (select VALUE as v from a x) x join (select x.id, {near} as v from a x) y using (v)",
    "select id, v from (select VALUE as v from a x) x natural join (select x.id, {near} as v from a x) y",
    "select 0 as id, v from (select VALUE as v from a x {union|union all|intersect|except} select {near} from a x) z",
    "select 0 as id, {max|min}(v) as v from (select VALUE as v from a x union all select {near} from a x) z",
    "select id, v from (select x.id, VALUE as v from a x where {test} order by 2 nulls last, x.id limit {1|3|5}) z",
    "select id, v from (select x.id, VALUE as v, {rank|dense_rank}() over (order by SOME nulls last) as r from a x) z"
    " where r < 4",
    "select distinct 1 as id, VALUE as v from a x",
    "with recursive r(id, v) as (select 1, (select {=same} from a x where x.id = 1) union all"
    " select r.id + 1, (select {near} from a x where x.id = r.id + 1) from r where r.id < 6) select id, v from r"
    " where v {<|>=} (select {same} from a x where x.id = 6)",
)
OF_SQLITE = Grammar(_COLUMNS, _VALUES, _ANY, _ORDERED, _NEAR, _TESTS, _AGGREGATES, _QUERIES)
