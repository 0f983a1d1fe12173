#!/bin/sh
# Makes the files of this folder: SQLite's own database, and what its shell prints as CSV.
set -eu
cd "$(dirname "$0")"
sqlite3 --version
rm -f shop.db
sqlite3 shop.db <<'SQL'
CREATE TABLE orders (id INTEGER PRIMARY KEY, code TEXT, note TEXT, price NUMERIC, weight REAL, paid BOOLEAN,
                     day DATE, at DATETIME, epoch INTEGER, photo BLOB);
INSERT INTO orders VALUES
  (1, '007', 'plain', 12.5, 0.1, 1, '2024-02-29', '2024-02-29 23:59:59', 1700000000, x'00ff'),
  (2, 'é日', 'say "hi", twice' || char(10) || 'next line', 10, 2.0, 0, '0001-01-01', '2024-03-01 00:00:00.125', -1, x''),
  (9223372036854775807, '', '', -0.01, 1e300, 't', '9999-12-31', '2024-03-01T12:00:00', 0, x'616263'),
  (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (5, '1e5', 'it''s; a	tab', 7.25, 9e999, 'f', '2024-12-24', '2024-12-24', 253402300799, x'0a');
SQL
sqlite3 -csv -header shop.db "SELECT * FROM orders" > orders.csv
sqlite3 -csv -header shop.db "SELECT id, iif(photo IS NULL, NULL, hex(photo)) AS photo FROM orders" > photos.csv
sqlite3 -json shop.db "SELECT id, code, note, price, CASE weight WHEN 9e999 THEN 'inf' ELSE weight END AS weight, day FROM orders" > orders.json
