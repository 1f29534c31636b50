"""`coir admin`: on the folder of a real server, while it runs and without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.serving import Serving, serving
from server.databases import SQLITE, Place, Postgres, contents, statements
from server.running import Running

from .command import Done, Terminal, coir

TODAY = r"20\d\d-\d\d-\d\d"


@pytest.fixture(scope="module")
def running(database: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with the administrator `admin` and the user `bob`."""
    with serving(tmp_path_factory.mktemp("administered"), database) as server:
        yield server


def admin(server: Running | Path, *arguments: str, stdin: str = "") -> Done:
    """`coir admin` on a server's folder."""
    data = server.data if isinstance(server, Running) else server
    done = coir("admin", *arguments, *where(data), stdin=stdin)
    assert "Traceback" not in done.err
    return done


def where(data: Path) -> list[str]:
    """The options that name a server's data."""
    url = Postgres.urls.get(data)
    return ["--data", str(data), *([] if url is None else ["--database", url])]


def signs_in(server: Running, name: str, password: str) -> bool:
    given = {"username": name, "password": password}
    return server.client().post("/api/user/login", json=given).status_code == 200


def test_users_while_the_server_runs(running: Serving) -> None:
    """A user is made, gets another password, becomes an administrator and an ordinary user
    again, and is removed; the server knows each change at once."""
    assert admin(running, "users", "create", "carol", stdin="first\n").code == 0
    assert signs_in(running, "carol", "first")
    listed = admin(running, "users", "list").out
    assert re.search(rf"^admin\tadministrator\t{TODAY}$", listed, re.MULTILINE)
    assert re.search(rf"^carol\tuser\t{TODAY}$", listed, re.MULTILINE)
    signed_in = running.client()
    signed_in.post("/api/user/login", json={"username": "carol", "password": "first"})
    assert admin(running, "users", "password", "CAROL", stdin="second\n").code == 0
    assert signed_in.get("/api/user/").status_code == 401
    assert not signs_in(running, "carol", "first")
    basic = running.client(auth=("carol", "second"))
    assert basic.get("/api/admin/users").status_code == 401
    assert admin(running, "users", "promote", "carol").code == 0
    assert basic.get("/api/admin/users").status_code == 200
    assert admin(running, "users", "demote", "carol").code == 0
    assert basic.get("/api/admin/users").status_code == 401
    assert admin(running, "users", "remove", "carol").code == 0
    assert basic.get("/api/user/").status_code == 401
    assert "carol" not in admin(running, "users", "list").out


def test_a_user_has_a_name_that_pages_can_show(running: Serving) -> None:
    """The user's name for people is empty, and not absent: the original's page asks how long it
    is, and shows no menu without an answer."""
    assert admin(running, "users", "create", "nora", stdin="first\n").code == 0
    shown = running.client(auth=("nora", "first")).get("/api/user/").json()["user"]
    assert shown["name"] == ""


def test_tokens_while_the_server_runs(running: Serving) -> None:
    """A token is made, printed once, listed without its text, and revoked."""
    made = admin(running, "tokens", "create", "bob", "--name", "nightly", "--scope", "annotate")
    assert re.fullmatch(r"coir_[0-9a-f]{64}\n", made.out)
    client = running.client(headers={"Authorization": f"Bearer {made.out.strip()}"})
    assert client.get("/api/user/").json()["user"]["username"] == "bob"
    listed = admin(running, "tokens", "list", "bob").out
    row = re.fullmatch(rf"(\d+)\tbob\tannotate\t{TODAY}\t(never|{TODAY})\tnightly\n", listed)
    assert row, listed
    assert admin(running, "tokens", "list").out == listed
    assert admin(running, "tokens", "list", "admin").out == ""
    assert admin(running, "tokens", "revoke", row[1]).code == 0
    assert client.get("/api/user/").status_code == 401
    assert admin(running, "tokens", "list").out == ""


def test_first_user_of_a_new_folder(database: Place, tmp_path: Path) -> None:
    """Before there is a server, the first user is made, administers, and signs in later."""
    data = database.data(tmp_path / "new" / "data")
    done = admin(data, "users", "create", "ann", stdin="pw\n")
    assert (done.code, done.out) == (0, "")
    assert "administrator" in done.err
    server = Serving(data)
    assert signs_in(server, "ann", "pw")
    code, _, err = server.end()
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (["users", "create", "bob"], "pw\n", "Username already exists."),
        (["users", "create", "a:b"], "pw\n", "no colon"),
        (["users", "create", "dave"], "", "There is no password on stdin."),
        (["users", "create", "dave"], "\n", "There is no password on stdin."),
        (["users", "create", "dave"], "x" * 1025, "1 to 1024 characters"),
        (["users", "password", "nobody"], "pw\n", "There is no user 'nobody'."),
        (["users", "password", "bob"], "", "There is no password on stdin."),
        (["users", "remove", "nobody"], "", "There is no user 'nobody'."),
        (["users", "remove", "admin"], "", "only administrator"),
        (["users", "demote", "admin"], "", "only administrator"),
        (["users", "promote", "nobody"], "", "There is no user 'nobody'."),
        (["tokens", "create", "nobody", "--name", "x"], "", "There is no user 'nobody'."),
        (["tokens", "create", "bob", "--name", ""], "", "1 to 100 printable characters"),
        (["tokens", "create", "bob", "--name", "x", "--scope", "all"], "", "must be one of read"),
        (["tokens", "create", "bob", "--name", "x", "--days", "0"], "", "days must be between"),
        (["tokens", "revoke", "999"], "", "Invalid token id"),
        (["tokens", "list", "nobody"], "", "There is no user 'nobody'."),
    ],
)
def test_what_cannot_be_done(running: Serving, arguments: list[str], stdin: str, says: str) -> None:
    """What is refused says why on stderr, fails, and changes nothing."""
    before = contents(running.data)
    done = admin(running, *arguments, stdin=stdin)
    assert done.code in (1, 2)
    assert done.out == ""
    assert says in done.err
    assert contents(running.data) == before


def test_a_folder_that_is_no_servers(database: Place, tmp_path: Path) -> None:
    """A folder without a server's data is told, and nothing is made in it; a database of another
    version, or what is none, is left as it is."""
    data = database.data(tmp_path)
    done = admin(data, "users", "list")
    assert (done.code, done.out) == (1, "")
    assert "holds no server's data" in done.err
    assert list(tmp_path.iterdir()) == []
    if database.kind == SQLITE:
        file = tmp_path / "coir.db"
        file.write_bytes(b"this is no database" * 100)
        assert "cannot be used: file is not a database" in admin(data, "users", "list").err
        file.unlink()
    else:
        assert contents(data) == {}
    assert admin(data, "users", "create", "ann", stdin="pw\n").code == 0
    with statements(data) as opened:
        opened.execute("UPDATE alembic_version SET version_num = '0001'")
    before = contents(data)
    for command in (["users", "list"], ["users", "remove", "ann"]):
        done = admin(data, *command)
        assert done.code == 1
        assert "is not of this version of coir" in done.err
    assert contents(data) == before


def test_at_a_terminal_the_password_is_typed_twice(running: Serving) -> None:
    """It does not show, and two that differ change nothing."""
    for second, code in (("other", 2), ("hush", 0)):
        arguments = ("admin", "users", "create", "erin", *where(running.data))
        with Terminal(*arguments) as terminal:
            terminal.expect("New password of erin: ")
            terminal.type("hush\n")
            terminal.expect("Again: ")
            terminal.type(f"{second}\n")
            done = terminal.end()
        assert done.code == code, done.err
        assert "hush" not in done.err
        assert signs_in(running, "erin", "hush") == (code == 0)


def test_no_option_takes_a_password() -> None:
    """Other users of the machine see command lines."""
    done = coir("admin", "users", "create", "x", "--password", "y")
    assert done.code == 2
    assert "No such option" in done.err
