"""`coir verify`: lines for what differs, and exit codes as `diff` has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import coir as coir_
from client.serving import Serving
from server.running import created, uploaded

from .command import coir

ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "admin-pw"}


@pytest.mark.slow
def test_verify(place: Serving, tmp_path: Path) -> None:
    """What is the same is not printed; what differs has a sign, and the code is 1."""
    admin, home = place.user("admin"), tmp_path / "m"
    dataset = created(admin, "verified")
    ids = [int(uploaded(admin, dataset, f"{one}.jpg").json()) for one in range(3)]
    with (
        coir_.connect(place.url, username="admin", password="admin-pw") as server,
        coir_.Mirror(home) as mirror,
    ):
        mirror.sync(server.dataset("verified"))
    same = coir("verify", str(home), "--deep", env=ADMIN)
    assert (same.code, same.out, same.sentences) == (0, "", ["All is the same."])
    everything = coir("verify", str(home), "--all", "-q", env=ADMIN)
    assert everything.out == "".join(f"= {one}\n" for one in ids)
    (home / "images" / "1.jpg").unlink()
    offline = coir("verify", str(home), "--offline")
    assert (offline.code, offline.out) == (1, f"* {ids[1]} file missing\n")
    admin.delete(f"/api/image/{ids[0]}")
    new = int(uploaded(admin, dataset, "new.jpg").json())
    differs = coir("verify", str(home), "--json", env=ADMIN)
    assert differs.code == 1
    found = [json.loads(line) for line in differs.out.splitlines()]
    signs = [(one["id"], one["sign"]) for one in found]
    assert signs == [(ids[0], "-"), (ids[1], "*"), (new, "+")]
    elsewhere = coir("verify", str(home), "-s", "http://127.0.0.1:9", env=ADMIN)
    assert (elsewhere.code, "not of http://127.0.0.1:9" in elsewhere.err) == (2, True)


def test_what_could_not_be_found_out(place: Serving, tmp_path: Path) -> None:
    """The code is 2 as soon as that is so of one image, whatever differs elsewhere."""
    admin, home = place.user("admin"), tmp_path / "m"
    dataset = created(admin, "not verified")
    ids = [int(uploaded(admin, dataset, f"{one}.jpg").json()) for one in range(3)]
    with (
        coir_.connect(place.url, username="admin", password="admin-pw") as server,
        coir_.Mirror(home) as mirror,
    ):
        mirror.sync(server.dataset("not verified"))
    (home / "images" / "0.jpg").unlink()
    (place.directory("not verified") / "2.jpg").unlink()
    quick = coir("verify", str(home), env=ADMIN)
    assert (quick.code, quick.out) == (1, f"* {ids[0]} file missing\n")
    deep = coir("verify", str(home), "--deep", env=ADMIN)
    assert (deep.code, deep.sentences) == (2, ["Not all could be found out."])
    missing, unknown = deep.out.splitlines()
    assert missing == f"* {ids[0]} file missing"
    assert unknown.startswith(f"! {ids[2]} The server refused HEAD")


def test_a_database_that_cannot_be_read(place: Serving, tmp_path: Path) -> None:
    """The code is 2, and not 1, which would say that something differs."""
    home = tmp_path / "m"
    home.mkdir()
    (home / "coir.db").write_bytes(b"no database at all" * 100)
    done = coir("verify", str(home), "-s", place.url, env=ADMIN)
    assert (done.code, done.out) == (2, "")
    assert "is damaged, or no database" in done.err
