"""Whatever a command says or keeps, no piece of a password is in it; whatever is in a password, it is understood."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import quote

import pytest

from lakehouse_cli import Project
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PORT, PostgreSQL

ODD = [
    "/",
    "#",
    "?",
    "@",
    ":",
    "%",
    "%zz",
    "%4",
    "[",
    "]",
    " ",
    "  ",
    "&",
    "=",
    "\\",
    "'",
    '"',
    "+",
    "é",
    ";",
    "$",
    "`",
]
COMMANDS = [
    ("validate",),
    ("plan",),
    ("plan", "-o", "json"),
    ("run", "-v"),
    ("run", "-o", "json"),
    ("run", "--log-format", "json"),
    ("show", "first"),
    ("show", "first", "-v", "-o", "json"),
    ("env",),
    ("env", "default", "-o", "json"),
    ("ls", "-o", "json"),
    ("diff",),
    ("diff", "--env", "default", "--against", "other"),
    ("copy", "--from", "default", "--to", "other"),
    ("copy", "--from", "other", "--to", "default"),
    ("clean", "--dry-run"),
    ("runs",),
    ("graph",),
]


def secret_with(odd: str) -> str:
    return f"Zq7x{odd}Kw9p{odd}Vb3n"


def pieces_of(secret: str) -> set[str]:
    return {secret[at : at + 4] for at in range(len(secret) - 3)}


def kept(folder: ProjectFolder) -> Iterator[str]:
    """What is in the files that commands made."""
    for path in folder.path.rglob("*"):
        if path.is_file() and ".lakehouse" in path.parts:
            with suppress(UnicodeDecodeError):
                yield path.read_text()


def found_after(cli: Cli, folder: ProjectFolder, commands: list[tuple[str, ...]], secret: str) -> list[object]:
    """Commands that print a piece of a secret, and the pieces."""
    found: list[object] = []
    for argv in commands:
        done = cli(*argv)
        texts = [done.out + done.err, *kept(folder)]
        if any(piece in text for piece in pieces_of(secret) for text in texts):
            found.append((argv, done.out + done.err))
    return found


@pytest.fixture
def project_on(folder: ProjectFolder) -> Callable[[str], None]:
    """Writes a project of a table at a URL."""

    def write(root: str) -> None:
        folder.write(
            "lakehouse.yaml",
            f"""
            name: kept
            module: transforms
            storages:
              default: {{type: postgresql, root: {json.dumps(root)}}}
            environments:
              other: {{storages: {{default: {{type: files, root: other}}}}}}
            tables:
              first: {{columns: {{x: int64}}}}
            """,
        )
        folder.write("transforms.py", "import pyarrow as pa\n\n\ndef first():\n    return pa.table({'x': [1]})\n")

    return write


@pytest.mark.parametrize("odd", ODD)
def test_password_is_in_no_message(
    odd: str,
    postgresql_server: PostgreSQL,
    project_on: Callable[[str], None],
    folder: ProjectFolder,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = secret_with(odd)
    place = f"127.0.0.1:{postgresql_server.port}/postgres"
    monkeypatch.setenv("DB_PASSWORD", secret)
    monkeypatch.setenv("WAREHOUSE", f"postgresql://me:{secret}@{place}")
    for root in (
        f"postgresql://me:${{DB_PASSWORD}}@{place}",
        f"postgresql://me@{place}?password=${{DB_PASSWORD}}",
        "${WAREHOUSE}",
        f"postgresql://me:{secret}@{place}",
    ):
        project_on(root)
        assert found_after(cli, folder, [("plan",), ("run", "-v"), ("run", "-o", "json")], secret) == []


@pytest.mark.parametrize(
    "root",
    [
        "postgresql://me:${DB_PASSWORD}@127.0.0.1:{port}/postgres",
        "postgresql://me:${DB_PASSWORD}@127.0.0.1:{closed}/postgres",
        "postgresql://me:${DB_PASSWORD}@nowhere.invalid/postgres",
        "postgresql://me:${DB_PASSWORD}@127.0.0.1:port/postgres",
        "postgresql://me:${DB_PASSWORD}@127.0.0.1:{port}/postgres?${DB_PASSWORD}=1",
        "postgresql://${DB_PASSWORD}@127.0.0.1:{port}/postgres",
        "postgresql://me:pw@127.0.0.1:{port}/${DB_PASSWORD}",
        "postgresql://me:pw@${DB_PASSWORD}/postgres",
        "${WAREHOUSE}",
    ],
)
@pytest.mark.parametrize("odd", ["/", "?@ %  "])
def test_no_command_shows_a_password(
    odd: str,
    root: str,
    postgresql_server: PostgreSQL,
    project_on: Callable[[str], None],
    folder: ProjectFolder,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = secret_with(odd)
    monkeypatch.setenv("DB_PASSWORD", secret)
    monkeypatch.setenv("WAREHOUSE", f"postgresql://me:{secret}@127.0.0.1:{postgresql_server.port}/postgres?a@b=c")
    project_on(root.replace("{port}", str(postgresql_server.port)).replace("{closed}", str(PORT - 1)))
    assert found_after(cli, folder, COMMANDS, secret) == []


def test_password_with_any_character_works(
    postgresql_server: PostgreSQL,
    project_on: Callable[[str], None],
    folder: ProjectFolder,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = f"{postgresql_server.new_database()}"
    odd = "".join(dict.fromkeys("".join(ODD)))
    user, secret = f"me {odd}", f" {secret_with(odd)}  "
    name, password = user.replace('"', '""'), secret.replace("'", "''")
    postgresql_server.run(f"CREATE ROLE \"{name}\" SUPERUSER LOGIN PASSWORD '{password}'")
    postgresql_server.run(f'ALTER DATABASE "{database}" RENAME TO "{database} {odd[:3]}"')
    monkeypatch.setenv("DB_USER", user)
    monkeypatch.setenv("DB_PASSWORD", secret)
    monkeypatch.setenv("DB", f"{database} {odd[:3]}")
    monkeypatch.setenv("HOST", f"127.0.0.1:{postgresql_server.port}")
    monkeypatch.setenv("REST", f"?user={quote(user, '')}&password={quote(secret, '')}")
    monkeypatch.setenv("WAREHOUSE", f"postgresql://{quote(user, '')}:{quote(secret, '')}@127.0.0.1")
    monkeypatch.setenv("PORT", str(postgresql_server.port))
    for root in (
        "postgresql://${DB_USER}:${DB_PASSWORD}@${HOST}/${DB}",
        "postgresql://${HOST}/${DB}?user=${DB_USER}&password=${DB_PASSWORD}",
        "postgresql://${HOST}/${DB}${REST}",
        "${WAREHOUSE}:${PORT}/" + quote(f"{database} {odd[:3]}", ""),
    ):
        project_on(root)
        ran = cli("run", "--force")
        assert ran.code == 0, (root, ran.out + ran.err)
        assert [piece for piece in pieces_of(secret_with("")) if piece in ran.out + ran.err] == []


@pytest.mark.parametrize(
    ("root", "values", "filled"),
    [
        # Of 0.1.0, when what a variable brought had to be encoded by hand.
        ("postgresql://me:${A}@h/d", {"A": "p%40s%2Fs!"}, "postgresql://me:p%40s%2Fs!@h/d"),
        ("postgresql://me:${A}@h/d", {"A": "100%"}, "postgresql://me:100%25@h/d"),
        ("postgresql://me:${A}@h/d", {"A": "a@b%40"}, "postgresql://me:a%40b%2540@h/d"),
        ("postgresql://${A}@h/d", {"A": "me:p/w"}, "postgresql://me:p%2Fw@h/d"),
        ("postgresql://${A}", {"A": "me:pw@h/d?x=1"}, "postgresql://me:pw@h/d?x=1"),
        ("${A}://me:${B}@h/d", {"A": "postgresql", "B": "x?y"}, "postgresql://me:x?y@h/d"),
        ("postgresql://h/d?${A}", {"A": "a=1&b=2"}, "postgresql://h/d?a=1&b=2"),
        ("postgresql://h/d?a=${A}&b=@", {"A": "1&2"}, "postgresql://h/d?a=1%262&b=@"),
        ("postgresql://me:${A:-p@?}@[::1]:5/d", {}, "postgresql://me:p%40%3F@[::1]:5/d"),
        ("postgresql://me:$${x}${A}@h/d", {"A": "/"}, "postgresql://me:${x}%2F@h/d"),
    ],
)
def test_variables_in_a_url(
    root: str, values: dict[str, str], filled: str, project_on: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    project_on(root)
    assert Project.load().spec.storages["default"].root == filled


def test_variables_elsewhere_are_as_they_are(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFIX", "a b/50%")
    folder.write(
        "lakehouse.yaml", "name: n\ntables: {}\nstorages: {default: {root: 's3://lake/${PREFIX}', format: csv}}\n"
    )
    assert Project.load().spec.storages["default"].root == "s3://lake/a b/50%"


def test_password_with_a_newline_is_refused(
    project_on: Callable[[str], None], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "Zq7xKw9p\n")
    project_on("postgresql://me:${DB_PASSWORD}@h/d")
    done = cli("validate")
    assert done.code == 3
    assert "holds a control character" in done.out + done.err
