"""Texts without what came from variables."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from lakehouse_cli.errors import Location, Violation
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import TableResult
from lakehouse_cli.text.redaction import mask_of, masked, without_password, without_secrets
from tests.cases import each_case
from tests.properties.drawn_tables import CHANCES, Chance
from tests.properties.drawn_tables import text as text_of

URL = "postgresql://me:p%40ss%2Fw%25rd1@host/db?sslpassword=quuxly99"


@each_case(
    ("text", "shown"),
    [
        ("lakehouse.yaml:40:3", "lakehouse.yaml:40:3"),
        ("lake.yaml, lake.csv", "lake.yaml, lake.csv"),
        ("lake_use failed, mylake", "lake_use failed, mylake"),
        ("s3://${LAKE:-lake}/x is s3://lake/x", "s3://${LAKE:-lake}/x is s3://${LAKE}/x"),
        ("${LAKE}", "${LAKE}"),
        ("${lake}", "${${LAKE}}"),
        (
            "password=lake, me:lake@host, 'lake', \"lake\", lake.",
            "password=${LAKE}, me:${LAKE}@host, '${LAKE}', \"${LAKE}\", ${LAKE}.",
        ),
        (repr("a\nlake\tb"), repr("a\n${LAKE}\tb")),
        ("me%3Alake%40host", "me%3A${LAKE}%40host"),
        ("\x1b[31mlake\x1b[0m", "\x1b[31m${LAKE}\x1b[0m"),
        ("xhunter2y", "x${MIXED}y"),
        ("xcorrect-horse-batteryy", "x${LONG}y"),
        ("xa+b/cy", "x${ODD}y"),
        ("p@ss/w%rd1", "${URL}"),
        ("p%40ss%2Fw%25rd1 quuxly99", "${URL} ${URL}"),
        (URL, "${URL}"),
        ("8 dev", "8 dev"),
    ],
)
def test_where_values_are_masked(text: str, shown: str) -> None:
    values = {"LAKE": "lake", "MIXED": "hunter2", "LONG": "correct-horse-battery", "ODD": "a+b/c", "URL": URL}
    assert mask_of({**values, "WORKERS": "8", "STAGE": "dev"})(text) == shown


def test_names_of_the_projects_own_stay() -> None:
    hide = mask_of({"BUCKET": "lake", "OTHER": "pond", "KEY": "hunter2-x7Q"}, {"lake", "hunter2-x7Q"})
    assert hide("there are `default`, `lake` and pond") == "there are `default`, `lake` and ${OTHER}"
    assert hide("password=lake, me:lake@host") == "password=${BUCKET}, me:${BUCKET}@host"
    assert hide("hunter2-x7Q") == "${KEY}"


def test_undeclared_column_name_is_masked() -> None:
    hide = mask_of({"TOKEN": "tok-SECRET!", "BUCKET": "lake", "KEY": "hunter2-x7Q"}, {"lake", "hunter2-x7Q"})
    columns = ("tok-SECRET!", "lake", "hunter2-x7Q", "a", None)
    shown = [masked(Violation(column, "extra", 1, ""), hide).column for column in columns]
    assert shown == ["${TOKEN}", "lake", "hunter2-x7Q", "a", None]


@each_case(
    ("line", "shown"),
    [
        ("options: {token: TOKSECRET, foo: 1}", "options: {token: *********, foo: 1}"),
        ("  api_key: 'a b'", "  api_key: *****"),
        ('root: "postgresql://u@h/db?password=zzz&x=1"', 'root: "postgresql://u@h/db?password=***&x=1"'),
        ("password: ${P}", "password: ${P}"),
        ("root: s3://b?token=${T}", "root: s3://b?token=${T}"),
        # What is no secret, though it is called like one.
        ("access_key_id: AKIA", "access_key_id: AKIA"),
        ("  token: string", "  token: string"),
        ("  password: {type: string}", "  password: {type: string}"),
        ("  secret: timestamp[us, tz=UTC]", "  secret: timestamp[us, tz=UTC]"),
    ],
)
def test_secrets_in_a_line_of_a_project_file(line: str, shown: str) -> None:
    assert without_secrets(line) == shown


def test_a_plain_word_in_a_location_is_a_name_of_something() -> None:
    error = ErrorInfo("StorageError", "daily", location=Location("daily/transforms.py", 3, 1, 1, "x = 'daily'"))
    result = TableResult("daily", "failed", uri="s3://${BUCKET:-daily}/daily/daily.parquet", error=error)
    shown = masked(result, mask_of({"BUCKET": "daily"}))
    assert (shown.name, shown.uri) == (result.name, result.uri)
    assert shown.error is not None
    assert shown.error.message == "${BUCKET}"
    assert shown.error.location == Location("daily/transforms.py", 3, 1, 1, "x = '${BUCKET}'")
    own = masked(TableResult("t", "failed", uri="own://me:daily@host?password=daily"), mask_of({"PASSWORD": "daily"}))
    assert own.uri == "own://me:${PASSWORD}@host?password=${PASSWORD}"
    odd = masked(TableResult("t", "failed", uri="own://s3cr3t/x"), mask_of({"SECRET": "s3cr3t"}))
    assert odd.uri == "own://${SECRET}/x"


@given(st.text(min_size=12), st.text(), st.text())
def test_long_values_are_masked_wherever_they_stand(value: str, before: str, after: str) -> None:
    shown = mask_of({"V": value})(before + value + after)
    assert "${V}" in shown
    assert value not in shown or value in before + after


@given(
    st.from_regex(re.compile(r"[a-z]{4,11}", re.ASCII), fullmatch=True), st.sampled_from(" \t\n:='\"`/@,;()[]{}<>|&?#-")
)
def test_words_are_masked_whatever_stands_around_them(value: str, around: str) -> None:
    assert mask_of({"V_": value})(f"{around}{value}{around}") == f"{around}${{V_}}{around}"
    assert mask_of({"V_": value})(f"x{value} {value}_x") == f"x{value} {value}_x"


FORMS = {
    "as it is": lambda text: text,
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "ascii": ascii,
    "repr in a text of both quotes": lambda text: repr(f"'\"{text}"),
    "ascii in a text of both quotes": lambda text: ascii(f"'\"{text}"),
    "bytes in a text of both quotes": lambda text: repr(f"'\"{text}".encode()),
    "what ASCII lacks escaped": lambda text: text.encode("ascii", "backslashreplace").decode(),
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "percent-encoded": lambda text: quote(text, ""),
    "percent-encoded but for slashes": quote,
    "percent-encoded in lower case": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, "")),
    "of a form": quote_plus,
    "HTML": html.escape,
    "XML": lambda text: html.escape(text, quote=False),
    "SQL": lambda text: text.replace("'", "''"),
    "libpq": lambda text: text.replace("\\", "\\\\").replace("'", "\\'"),
    "folded": lambda text: " ".join(text.split()),
    "Base64": lambda text: b64encode(text.encode()).decode(),
    "HTTP's Basic": lambda text: b64encode(f"me:{text}".encode()).decode(),
    "of another user": lambda text: urlsafe_b64encode(f"they:{text}".encode()).decode(),
}


@each_case("form", list(FORMS))
def test_password_of_letters_and_both_quotes(form: str) -> None:
    secret = "Zx/9 \xe9\"Qq#?&'w7"
    shown = mask_of({"DB_PASSWORD": secret})(f"could not: {FORMS[form](secret)}, sorry")
    assert "${DB_PASSWORD}" in shown or form in ("Base64", "HTTP's Basic", "of another user")
    assert "Qq" not in shown


# Letters and digits at both ends make it something to look for whatever is between them.
@given(CHANCES)
def test_secrets_leave_no_trace_in_any_form(chance: Chance) -> None:
    form = chance.choice(list(FORMS))
    secret = f"Zq7xR2{text_of(chance, 12, least=4)}Kw9pT5"
    note((form, secret))
    text = f"could not: {FORMS[form](secret)}, sorry"
    url = f"postgresql://me:{quote(secret, '')}@host/db"
    for values in ({"DB_PASSWORD": secret}, {"WAREHOUSE": url}, {"WAREHOUSE": f"postgresql://me:{secret}@host/db"}):
        shown = mask_of(values)(text)
        assert shown.startswith("could not: ")
        assert "${" in shown
        for end in ("Zq7x", "Kw9p", "wOXBU"):
            assert end not in shown, (values, shown)


def test_pieces_of_a_password_are_masked() -> None:
    hide = mask_of({"WAREHOUSE": "postgresql://me:Zq7xR/horse#Kw9pT@host/db?x=1"})
    assert hide('invalid port "Zq7xR": horse Kw9pT') == 'invalid port "${WAREHOUSE}": horse ${WAREHOUSE}'
    assert hide("host:5432 'horse'") == "host:5432 '${WAREHOUSE}'"
    assert mask_of({"FOLDER": "/srv/Zq7xR/x"})("Zq7xR") == "Zq7xR"


def test_at_sign_in_a_query_makes_no_password() -> None:
    url = "postgresql://host:5432/db?email=me@x.org"
    assert without_password(url) == url
    assert mask_of({"W": url})("host:5432") == "host:5432"


@pytest.mark.parametrize("odd", ["/", "?", "#", " ", "@", "://"])
def test_password_in_a_url_is_hidden_with_any_character(odd: str) -> None:
    url = f"postgresql://me:Zq7{odd}Kw9p@host/db"
    assert "Kw9p" not in without_password(url)
    assert "Kw9p" not in without_secrets(f"  root: '{url}'  # me@host")


def test_beginning_of_a_secret_that_was_cut_off_is_masked() -> None:
    hide = mask_of({"TOKEN": "eyJhbGciOi.JIUzI1NiJ9", "LAKE": "lakeside"})
    assert hide("row 1: 'eyJhbGci…', by the lake…") == "row 1: '${TOKEN}…', by the lake…"
    assert hide("eyJhbGci") == "eyJhbGci"
