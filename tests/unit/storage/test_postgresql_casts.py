"""Hints for queries that return another type than declared, followed on a server."""

from __future__ import annotations

import adbc_driver_postgresql.dbapi as driver
import pytest

from lakehouse_cli.model.column_type import parse_column_type
from lakehouse_cli.storage.relational.postgresql_conversions import conversion, natural
from lakehouse_cli.storage_types.postgresql_casts import way_to
from tests.servers.postgresql import PostgreSQL

#: A value of each type, of which PostgreSQL makes one of each other that it can.
VALUES = {
    "smallint": "1::smallint",
    "bigint": "1::bigint",
    "real": "1::real",
    "double precision": "1::double precision",
    "numeric(5,2)": "1::numeric(5,2)",
    "boolean": "true",
    "bytea": "'1'::bytea",
    "date": "date '1970-01-01'",
    "timestamp without time zone": "timestamp '1970-01-01'",
    "timestamp with time zone": "timestamptz '1970-01-01 00:00:00+00'",
    "time without time zone": "time '00:00'",
    "interval": "interval '0 second'",
}
DECLARED = (
    "int8,int64,uint8,uint64,float32,float64,bool,string,binary,date32,decimal128(5|2),timestamp[s],timestamp[us],"
    "timestamp[us|tz=UTC],time32[s],time64[us],duration[us],dictionary<string>"
)


def test_hints_for_other_types_work(postgresql_server: PostgreSQL) -> None:
    """What a hint says to write is computed, and of a type that is stored as what is declared."""
    declared = [parse_column_type(each.replace("|", ", ")) for each in DECLARED.split(",")]
    with driver.connect(postgresql_server.url()) as connection, connection.cursor() as cursor:
        for stored, value in {**VALUES, "text": "'1'"}.items():
            followed = {}
            for each in declared:
                way = way_to(each, natural(stored))
                if conversion("x", stored, each) is None and way is not None and (stored != "text" or each.is_integer):
                    followed[each] = f"({value}){way}" if way.startswith("::") else way.replace("…", f"({value})")
            columns = ", ".join(f"{text} as c{number}" for number, text in enumerate(followed.values()))
            cursor.execute(f"create temp view v as select {columns}")
            cursor.execute(
                "select format_type(atttypid, atttypmod) from pg_attribute"
                " where attrelid = 'v'::regclass order by attnum"
            )
            returned = [row[0] for row in cursor.fetchall()]
            for each, found in zip(followed, returned, strict=True):
                assert conversion("x", found, each) is not None, (stored, each, found)
            cursor.execute("select * from v")
            cursor.fetchall()
            connection.rollback()
            assert followed, stored


@pytest.mark.parametrize(
    ("declared", "returned"),
    [("date32", "time64[us]"), ("bool", "date32"), ("binary", "int64"), ("list<int64>", "string")],
)
def test_no_cast_is_named_that_the_server_lacks(declared: str, returned: str) -> None:
    assert way_to(parse_column_type(declared), parse_column_type(returned)) is None
