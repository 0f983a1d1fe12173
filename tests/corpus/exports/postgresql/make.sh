#!/bin/sh
# Makes the files of this folder with a PostgreSQL server of its own, on a socket in a temporary folder.
# (Debian: apt-get install postgresql; as root it is run by the user `postgres`, as the server refuses root.)
set -eu
cd "$(dirname "$0")"
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
work=$(mktemp -d)
as=""
if [ "$(id -u)" = 0 ]; then
  chown postgres "$work"
  as="runuser -u postgres --"
fi
$as "$bin/initdb" --pgdata="$work/cluster" --auth=trust --encoding=UTF8 --locale=C >/dev/null
$as "$bin/pg_ctl" --pgdata="$work/cluster" --wait --log="$work/log" \
  --options="-c listen_addresses='' -k $work" start >/dev/null
trap '$as "$bin/pg_ctl" --pgdata="$work/cluster" stop --mode=immediate >/dev/null; rm -rf "$work"' EXIT
psql="$bin/psql -X -q --host=$work --username=$(if [ -n "$as" ]; then echo postgres; else id -un; fi) --dbname=postgres"
$psql --version
$psql --set=ON_ERROR_STOP=1 <<'SQL'
SET TimeZone = 'Europe/Zurich';
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE orders (id bigint, code varchar(20), note text, price numeric(10, 2), ratio numeric, weight float8, paid boolean,
                     day date, at timestamp, seen timestamptz, clock time, late interval, photo bytea, sizes int[],
                     words text[], token uuid, doc jsonb, feeling mood);
INSERT INTO orders VALUES
  (1, '007', 'plain', 12.3, 0.1, 0.1, true, '2024-02-29', '2024-02-29 23:59:59.000001', '2024-07-01 00:00:00+00', '08:05:00',
   '26:00:00', '\x00ff', '{1,NULL,2}', '{"x, y",NULL,"NULL","","q\"\\z"}', '5dd0ba6a-93ed-47a9-b3cb-9ec2f9a5d8d5',
   '{"a": 1.50, "b": "x\ty"}', 'ok'),
  (2, 'é日', E'say "hi", C:\\new\ttab\nnext line', 0, 1e-17, 'NaN', false, '0044-03-15 BC', '0044-03-15 12:00:00 BC',
   '1850-01-01 00:00:00+00', '23:59:59.999999', '-1 days +00:00:10', '', '{}', '{}', NULL, '[]', 'sad'),
  (9223372036854775807, '', '', -0.01, 12345678901234567890.5, 1e300, NULL, '12345-06-07', '12345-06-07 00:00:00',
   '2024-01-01 00:00:00+00', '00:00:00', '3 days', '\x5c2c22', '{-1}', '{it''s}', NULL, '"é"', NULL),
  (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (5, '\N', '\.', 7, 7, 'Infinity', true, 'infinity', '-infinity', 'infinity', '12:00', '0', '\x0a', '{7}', '{null}', NULL,
   'null', 'ok'),
  (6, 'CR', E'a\r\nb\\', 7, 7, '-Infinity', true, '2024-12-24', '2024-12-24', '2024-12-24 12:00:00+00', '12:00:00.5',
   '-00:00:00.5', '\x61', '{7}', E'{"a\nb"}', NULL, '{}', 'ok');
\copy orders TO 'orders.csv' WITH (FORMAT csv, HEADER)
\copy orders TO 'orders.tsv'
SQL
$psql --csv --command="SELECT id, code, note, paid, late FROM orders" >query.csv
$psql --csv --pset=null=NULL --command="SELECT id, code, note, paid, late FROM orders" >query_null.csv
