"""Make the files of this folder with DuckDB (pip install duckdb): COPY to CSV, Parquet and JSON, and a database."""

from pathlib import Path

import duckdb

HERE = Path(__file__).parent
print(duckdb.__version__)
(HERE / "shop.duckdb").unlink(missing_ok=True)
connection = duckdb.connect()
# Small, and readable by other versions; neither is needed.
connection.execute(f"ATTACH '{HERE}/shop.duckdb' AS shop (BLOCK_SIZE 16384, STORAGE_VERSION 'v1.0.0')")
connection.execute("USE shop")
connection.execute("SET TimeZone = 'UTC'")
connection.execute(
    """
    CREATE TABLE orders (
        id UBIGINT, code VARCHAR, note VARCHAR, price DECIMAL(10, 2), weight DOUBLE, paid BOOLEAN, day DATE,
        moment TIMESTAMP, seen TIMESTAMPTZ, clock TIME, late INTERVAL, photo BLOB, sizes INTEGER[], words VARCHAR[],
        token UUID, place STRUCT(x INTEGER, name VARCHAR), prices MAP(VARCHAR, DECIMAL(5, 2)),
        feeling ENUM('sad', 'ok'), big HUGEINT
    )
    """
)
connection.execute(
    r"""
    INSERT INTO orders VALUES
    (1, '007', 'plain', 12.3, 0.1, true, '2024-02-29', '2024-02-29 23:59:59.000001', '2024-07-01 00:00:00+00',
     '08:05:00', INTERVAL '26:00:00', '\x00\xFFa', [1, NULL, 2], ['x, y', NULL, 'NULL', '', 'it''s "q"'],
     '5dd0ba6a-93ed-47a9-b3cb-9ec2f9a5d8d5', {'x': 1, 'name': 'a, "b"'}, MAP {'a': 1.5, 'b': NULL}, 'ok', 1),
    (2, 'é日', 'say "hi", C:\new' || chr(9) || 'tab' || chr(10) || 'next line', 0, 'NaN', false, '0044-03-15 (BC)',
     '0044-03-15 (BC) 12:00:00', '1850-01-01 00:00:00+00', '23:59:59.999999', INTERVAL '-3 days', '', [], [], NULL,
     {'x': NULL, 'name': ''}, MAP {}, 'sad', -99999999999999999999999999999999999999),
    (18446744073709551615, '', '', -0.01, 1e300, NULL, '12345-06-07', '12345-06-07 00:00:00', '2024-01-01 00:00:00+00',
     '00:00:00', INTERVAL '1 day 2 hours', '\x5C,"', [-1], ['NULL'], NULL, NULL, NULL, NULL, 99999999999999999999),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, 'NULL', 'a' || chr(13) || chr(10) || 'b', 7, '-Infinity', true, '2024-12-24', '2024-12-24',
     '2024-12-24 12:00:00+00', '12:00:00.5', INTERVAL '-500 milliseconds', 'a', [7], ['a' || chr(10) || 'b'], NULL,
     {'x': 7, 'name': NULL}, MAP {'it''s': 0}, 'ok', 0)
    """
)
nested = "* REPLACE (base64(photo) AS photo, to_json(place) AS place, to_json(prices) AS prices)"
connection.execute(f"COPY (SELECT {nested} FROM orders) TO '{HERE}/orders.csv'")
plain = "* REPLACE (epoch_us(late) AS late, big::DECIMAL(38, 0) AS big)"
connection.execute(f"COPY (SELECT {plain} FROM orders) TO '{HERE}/orders.parquet'")
# JSON Lines; with (FORMAT json, ARRAY true) it is one array.
connection.execute(f"COPY (SELECT * REPLACE (base64(photo) AS photo) FROM orders) TO '{HERE}/orders.json'")
connection.execute(f"COPY (SELECT id, code, sizes FROM orders) TO '{HERE}/array.json' (FORMAT json, ARRAY true)")
connection.close()
