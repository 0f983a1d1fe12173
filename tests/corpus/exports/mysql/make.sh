#!/bin/sh
# Makes the files of this folder with a MariaDB server of its own, on a socket in a temporary folder.
# (Debian: apt-get install mariadb-server-core mariadb-client)
set -eu
cd "$(dirname "$0")"
here=$(pwd)
work=$(mktemp -d)
user=$(id -un)
mariadb-install-db --no-defaults --datadir="$work/data" --user="$user" --auth-root-authentication-method=normal >/dev/null
mariadbd --no-defaults --datadir="$work/data" --socket="$work/socket" --skip-networking --user="$user" \
  --default-time-zone=+00:00 --secure-file-priv="" 2>"$work/log" &
server=$!
trap 'kill $server; wait $server; rm -rf "$work"' EXIT
client="mariadb --no-defaults --socket=$work/socket --user=root --default-character-set=utf8mb4"
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  $client --execute="SELECT 1" >/dev/null 2>&1 && break
  sleep 1
done
$client --batch --skip-column-names --execute="SELECT version()"
$client <<'SQL'
SET sql_mode = '';
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE orders (id BIGINT UNSIGNED PRIMARY KEY, code VARCHAR(20), note TEXT, price DECIMAL(10, 2), weight DOUBLE,
                     paid BOOLEAN, day DATE, at DATETIME(6), late TIME, photo BLOB, flags BIT(4), doc JSON);
INSERT INTO orders VALUES
  (1, '007', 'plain', 12.30, 0.1, TRUE, '2024-02-29', '2024-02-29 23:59:59.000001', '26:00:00', x'6162', b'0101', '{"a": 1}'),
  (2, 'é日', 'say "hi", C:\\new\ttab\nnext line', 0, 2, FALSE, '1000-01-01', '1000-01-01 00:00:00', '-838:59:59', x'0a5c00', b'1111', '[]'),
  (18446744073709551615, '', '', -0.01, 1e300, NULL, '9999-12-31', '9999-12-31 23:59:59.999999', '00:00:01', '', b'0', '"x\\ty"'),
  (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (5, 'NULL', '\\N', 7, -1.5e-7, TRUE, '0000-00-00', '0000-00-00 00:00:00', '08:05:00', x'2c', b'1', 'null'),
  (6, 'CR', 'a\r\nb', 7, 0, TRUE, '2024-12-24', '2024-12-24', '0:0:0', x'22', b'1', '{"q": "it''s \\"so\\""}');
SQL
columns="id, code, note, price, weight, paid, day, at, late, HEX(photo) AS photo, flags + 0 AS flags, doc"
mkdir "$work/out" && chmod 777 "$work/out"
$client shop --execute="SELECT $columns FROM orders ORDER BY id INTO OUTFILE '$work/out/outfile.tsv' CHARACTER SET utf8mb4"
$client shop --execute="SELECT $columns FROM orders ORDER BY id INTO OUTFILE '$work/out/outfile.csv' CHARACTER SET utf8mb4
  FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\n'"
$client shop --batch --execute="SELECT $columns FROM orders ORDER BY id" >batch.tsv
mariadb-dump --no-defaults --socket="$work/socket" --user=root --default-character-set=utf8mb4 --tab="$work/out" shop orders
cat "$work/out/outfile.tsv" >outfile.tsv
cat "$work/out/outfile.csv" >outfile.csv
cat "$work/out/orders.txt" >tab.txt
