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
