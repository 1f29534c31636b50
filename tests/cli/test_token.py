"""API tokens on the command line, with a real server."""

from __future__ import annotations

from client.serving import Serving
from server.running import created, uploaded

from .command import coir


def test_commands_take_a_token(place: Serving) -> None:
    """A token does instead of a user, as an option and from the environment; once it is revoked,
    that is told, and the token is not shown."""
    admin = place.user("admin")
    image = uploaded(admin, created(admin, "with a token"), "x.jpg").json()
    given = {"name": "x", "scope": "read"}
    made = admin.post("/api/user/tokens", json=given).json()
    env = {"COIR_SERVER": place.url, "COIR_TOKEN": f"{made['token']}\n"}
    done = coir("datasets", env=env)
    assert (done.code, done.err) == (0, "")
    assert "with a token" in done.out
    done = coir("ids", "with a token", "--server", place.url, "--token", made["token"])
    assert (done.code, done.out) == (0, f"{image}\n")
    assert admin.delete(f"/api/user/tokens/{made['id']}").status_code == 200
    done = coir("images", "with a token", env=env)
    assert (done.code, done.out) == (6, "")
    assert "does not accept this API token" in done.err
    assert made["token"] not in done.err
