"""`coir login` keeps a password for one server, `coir logout` forgets it."""

from __future__ import annotations

import json as json_
import os
import stat
from pathlib import Path

import pytest

from client.misbehaving import DATASETS, LOGIN, UNAUTHORIZED, Asked, Misbehaving, Reply, json

from .command import Done, Terminal, coir

PASSWORD = "hush, it is a secret"
REFUSED = json({"success": False, "message": "Could not authenticate user"}, 400)


def _right_password(asked: Asked) -> Reply:
    right = json_.loads(asked.body) == {"username": "admin", "password": PASSWORD}
    return json({"success": True}, set_cookie="session=fresh; Path=/") if right else REFUSED


def _signed_in(asked: Asked) -> Reply:
    signed_in = "session=fresh" in asked.headers.get("cookie", "")
    return json([{"id": 1, "name": "birds"}]) if signed_in else UNAUTHORIZED


ROUTES = {LOGIN: _right_password, DATASETS: _signed_in}


class Home:
    """Somebody's configuration folder, and the keyring they have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "config" / "coir" / "credentials.json"
        self.ring = folder / "ring.json"
        self.env = {
            "XDG_CONFIG_HOME": str(folder / "config"),
            "HOME": str(folder),
            "RING": str(self.ring),
        }
        self.backend("keyring.backends.null.Keyring")

    def backend(self, name: str) -> None:
        """Choose the keyring; there are some of tests in ring.py."""
        paths = filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))
        self.env |= {"PYTHON_KEYRING_BACKEND": name, "PYTHONPATH": os.pathsep.join(paths)}

    def run(self, *arguments: str, **env: str) -> Done:
        """Run a command; the password never shows."""
        done = coir(*arguments, env=self.env | env)
        assert PASSWORD not in done.out + done.err
        assert "Traceback" not in done.err
        return done

    def login(self, url: str, **env: str) -> Done:
        """Log in with the right password."""
        return self.run("login", "-s", url, "-u", "admin", **{"COIR_PASSWORD": PASSWORD, **env})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_login_keeps_the_password_in_a_file_of_its_owner(home: Home) -> None:
    """The file is readable by its owner only, and later commands need no user name."""
    with Misbehaving(ROUTES) as server:
        done = home.login(server.url)
        assert (done.code, done.out) == (0, "")
        assert done.err == (
            f"Logged in at {server.url} as admin; the password is kept in {home.file}.\n"
        )
        assert stat.S_IMODE(home.file.stat().st_mode) == 0o600
        assert stat.S_IMODE(home.file.parent.stat().st_mode) == 0o700
        assert home.run("datasets", "-s", server.url).out == "1\tbirds\t\n"
        assert home.run("datasets", "-s", f"{server.url}/api/", "-u", "admin").code == 0
        assert server.count(LOGIN) == 3


def test_logout_forgets(home: Home) -> None:
    """After logging out nothing of the password is left, and the server asks for it again."""
    with Misbehaving(ROUTES) as server:
        home.login(server.url)
        assert home.run("logout", "-s", server.url).err == f"Forgotten: {server.url}.\n"
        assert home.run("datasets", "-s", server.url).code == 6
        assert home.run("logout", "-s", server.url).err == f"Nothing was kept for {server.url}.\n"
    assert PASSWORD not in home.file.read_text()
    assert stat.S_IMODE(home.file.stat().st_mode) == 0o600


def test_a_kept_password_is_for_its_own_server_and_user(home: Home) -> None:
    """It goes to no other host, port, scheme, path or user, not even to the same one by name."""
    with Misbehaving(ROUTES) as server, Misbehaving(ROUTES) as other:
        home.login(server.url)
        sent = server.count(LOGIN)
        for url in (other.url, f"http://localhost:{server.port}", f"{server.url}/prefix"):
            assert home.run("datasets", "-s", url).code in {5, 6}
        done = home.run("datasets", "-s", server.url, "-u", "bob")
        assert done.code == 6
        assert done.sentences[0] == "Error: The password of user 'bob' is missing."
        assert home.run("datasets", "-s", server.url, "--cookie", "fresh").code == 0
        assert (server.count(LOGIN), other.count(LOGIN)) == (sent, 0)
        assert all(PASSWORD.encode() not in asked.body for asked in other.asked)


def test_a_file_that_others_can_read_is_refused(home: Home) -> None:
    """Then nothing is sent, and the sentence says how to mend it."""
    with Misbehaving(ROUTES) as server:
        home.login(server.url)
        sent = server.connections
        home.file.chmod(0o640)
        done = home.run("datasets", "-s", server.url)
        assert (done.code, done.out) == (1, "")
        assert done.sentences == [
            f"Error: {home.file} can be read by others.",
            f"Run: chmod 600 {home.file}",
        ]
        assert server.connections == sent


def test_a_file_that_is_broken_is_told(home: Home) -> None:
    """Half a file is no traceback, and is not overwritten in passing."""
    home.file.parent.mkdir(parents=True)
    home.file.write_text('{"http://127')
    home.file.chmod(0o600)
    done = home.run("datasets", "-s", "http://127.0.0.1:9")
    assert done.code == 1
    assert done.sentences[1] == "Remove it, and log in again."
    assert home.file.read_text() == '{"http://127'


def test_a_wrong_password_is_not_kept(home: Home) -> None:
    """What the server refuses takes nobody's place."""
    with Misbehaving(ROUTES) as server:
        done = home.login(server.url, COIR_PASSWORD="a wrong one")
        assert (done.code, home.file.exists()) == (6, False)
        home.login(server.url)
        assert home.login(server.url, COIR_PASSWORD="a wrong one").code == 6
        assert home.run("datasets", "-s", server.url).code == 0


def test_login_asks_also_when_one_is_kept(home: Home) -> None:
    """Whoever logs in again has a new password, as the old one may no longer work."""
    with Misbehaving({DATASETS: _signed_in}) as server:
        home.login(server.url, COIR_PASSWORD="an older one")
        server.routes[LOGIN] = _right_password
        with Terminal("login", "-s", server.url, "-u", "admin", env=home.env) as terminal:
            terminal.expect("Password of admin")
            terminal.type(f"{PASSWORD}\n")
            done = terminal.end()
        assert done.code == 0, done.err
        assert PASSWORD not in terminal.shown
        assert home.run("datasets", "-s", server.url).code == 0


def test_nobody_is_named(home: Home) -> None:
    """Without a user name there is nothing to keep."""
    done = home.run("login", "-s", "http://127.0.0.1:9")
    assert (done.code, done.sentences[0]) == (2, "Error: No user is named.")


def test_a_keyring_is_used_where_there_is_one(home: Home) -> None:
    """The password goes there instead of into the file, is found there, and is removed there."""
    home.backend("ring.Ring")
    with Misbehaving(ROUTES) as server:
        assert home.login(server.url).err.endswith("the password is kept in the keyring.\n")
        assert PASSWORD not in home.file.read_text()
        assert json_.loads(home.ring.read_text()) == {f"coir admin {server.url}": PASSWORD}
        assert home.run("datasets", "-s", server.url).code == 0
        server.routes[LOGIN] = [json({"success": True}, set_cookie="session=fresh; Path=/")]
        home.run("login", "-s", server.url, "-u", "bob", COIR_PASSWORD=PASSWORD)
        assert json_.loads(home.ring.read_text()) == {f"coir bob {server.url}": PASSWORD}
        assert home.run("logout", "-s", server.url).code == 0
    assert json_.loads(home.ring.read_text()) == {}


@pytest.mark.parametrize("command", ["login", "datasets"])
def test_a_keyring_that_stays_locked(home: Home, command: str) -> None:
    """It is told in a sentence, with the way to do without."""
    with Misbehaving(ROUTES) as server:
        home.backend("ring.Ring")
        home.login(server.url)
        home.backend("ring.Locked")
        user = ("-u", "admin") if command == "login" else ()
        password = {"COIR_PASSWORD": PASSWORD} if command == "login" else {}
        done = home.run(command, "-s", server.url, *user, **password)
    assert (done.code, done.out) == (1, "")
    assert done.sentences[0] == "Error: The keyring refused: it stays locked."
    assert "PYTHON_KEYRING_BACKEND" in done.err
