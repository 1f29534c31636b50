"""Servers that are restarted or go away in the midst of a sync, and credentials that end there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import coir
from client.serving import Serving
from coir import AuthenticationFailed, ConnectionFailed
from coir.mirror import Mirror, Options
from scan.proxy import Proxy

from .world import World, contents, files

PHASES = ["reading", "annotations", "files"]
OPTIONS = Options(recheck=0)
# So that what happens after one answer happens before the next.
ONE_BY_ONE = Options(recheck=0, concurrency=1)
# So that the server can be gone before all is there.
SLOWLY = Options(recheck=0, concurrency=1, max_rps=30)
IMAGES = 8


class Site(World):
    """A dataset on a server that can go away and come back at the same address."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Serving(folder / "data"), folder)
        self.running.user("bob")
        self.ids = [self.upload() for _ in range(IMAGES)]
        for image_id in self.ids[::2]:
            self.annotate(image_id, self.own_categories[0])
        share = {"users": ["bob"]}
        assert self.admin.post(f"/api/dataset/{self.dataset}/share", json=share).is_success

    def leave(self) -> None:
        """Go away, as in a power failure."""
        self.running.kill()

    def come_back(self) -> None:
        """Start again, at the same address."""
        self.running = Serving(self.running.data, "--port", self.running.url.rpartition(":")[2])
        self.admin = self.running.user("admin")

    def lent(self, kind: str) -> dict[str, str]:
        """Credentials of its own for one test; `withdraw` ends them."""
        if kind == "password":
            self._set_password("lent-pw")
            return {"username": "bob", "password": "lent-pw"}
        asked = {"name": "sync", "scope": "read"}
        answer = self.admin.post("/api/user/tokens", json=asked)
        assert answer.is_success, answer.text
        self._token = answer.json()["id"]
        return {"token": answer.json()["token"]}

    def withdraw(self, kind: str) -> None:
        """End the credentials that were lent last."""
        if kind == "password":
            self._set_password("another-pw")
        else:
            assert self.admin.delete(f"/api/user/tokens/{self._token}").is_success

    def _set_password(self, password: str) -> None:
        answer = self.admin.patch("/api/admin/user/bob", json={"password": password})
        assert answer.is_success, answer.text

    def is_whole(self, mirror: Mirror) -> bool:
        """Whether a mirror holds what one would that is made now."""
        with self.mirror(f"{mirror.path.name} now") as now, self.reach() as dataset:
            now.sync(dataset)
            return (contents(mirror), files(mirror)) == (contents(now), files(now))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("outages"))
    yield made
    code, _, err = made.running.end()
    assert (code, err) == (0, "")


def once(phase: str, happen: Callable[[], None]) -> Callable[..., None]:
    """Who watches a sync, and lets something happen when a phase shows itself first."""
    waiting = [phase]

    def watch(now: str, *_: Any) -> None:
        if now in waiting:
            waiting.clear()
            happen()

    return watch


plainly = pytest.mark.parametrize("plain", [False, True], ids=["own", "original"])


def test_a_server_that_is_restarted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it shows in the mirror: what was under way is asked for again."""
    # A busy machine takes seconds to start a server.
    monkeypatch.setattr("coir.client.transport.WAIT_INITIAL", 0.5)
    happened: list[str] = []

    def watch(phase: str, *_: Any) -> None:
        if phase in PHASES and phase not in happened:
            happened.append(phase)
            site.leave()
            site.come_back()

    with site.mirror("restarted") as mirror, site.reach(plain=True) as dataset:
        report = mirror.sync(dataset, options=OPTIONS, watch=watch)
        assert happened == PHASES
        assert (report.counts.images_added, report.counts.files_fetched) == (IMAGES, IMAGES)
        assert site.is_whole(mirror)


@plainly
@pytest.mark.usefixtures("hurried")
def test_a_server_that_goes_away(site: Site, plain: bool) -> None:
    """The sync ends with an error, what came stays, and the next one goes on from there."""
    with site.mirror(f"away {plain}") as mirror:
        for phase in ("annotations", "files"):
            with site.reach(plain=plain) as dataset:
                with pytest.raises(ConnectionFailed):
                    mirror.sync(dataset, options=SLOWLY, watch=once(phase, site.leave))
                site.come_back()
        came = len(files(mirror))
        assert 0 < came < IMAGES
        with site.reach(plain=plain) as dataset:
            counts = mirror.sync(dataset, options=ONE_BY_ONE).counts
        assert counts.files_fetched <= IMAGES - came
        assert site.is_whole(mirror)


def test_sessions_that_end(site: Site) -> None:
    """Who gave a password is logged in again, and notices nothing."""
    happened: list[str] = []

    def watch(phase: str, *_: Any) -> None:
        if phase in PHASES and phase not in happened:
            happened.append(phase)
            with site.running.database() as database:
                database.execute("DELETE FROM sessions")

    with site.mirror("renewed") as mirror:
        with site.reach(plain=True) as dataset:
            report = mirror.sync(dataset, options=ONE_BY_ONE, watch=watch)
        assert happened == PHASES
        assert (report.counts.images_added, report.counts.files_fetched) == (IMAGES, IMAGES)
        site.admin = site.running.user("admin")
        assert site.is_whole(mirror)


@pytest.mark.parametrize(
    ("kind", "plain", "moments"),
    [
        ("token", False, ["/changes$", "/data$", "/category/$", "/coco$", "/image/[0-9]+$"]),
        ("token", True, ["/data$", "/image/$", "/category/$", "/coco$", "/image/[0-9]+$"]),
        ("password", True, ["/image/[0-9]+$"]),
    ],
)
def test_credentials_that_end(site: Site, kind: str, plain: bool, moments: list[str]) -> None:
    """Revoked or changed after any answer: the sync says so, and goes on with others."""
    waiting: list[str] = []

    def end(path: str, _: dict[str, str], body: bytes) -> bytes:
        if waiting and re.search(waiting[0], path):
            waiting.clear()
            site.withdraw(kind)
        return body

    with (
        Proxy(site.running.url, tamper=end, original=plain) as proxy,
        site.mirror(f"{kind} {plain}") as mirror,
    ):
        for moment in moments:
            with coir.connect(proxy.url, **site.lent(kind)) as server:
                waiting.append(moment)
                with pytest.raises(AuthenticationFailed) as told:
                    mirror.sync(server.dataset(site.dataset), options=ONE_BY_ONE)
                assert not waiting
                what = "API token" if kind == "token" else "password for user 'bob'"
                assert f"does not accept this {what} any more" in told.value.message
                assert "run it again" in told.value.hint
        held = len(files(mirror))
        assert held == 1
        with coir.connect(proxy.url, **site.lent(kind)) as server:
            counts = mirror.sync(server.dataset(site.dataset), options=ONE_BY_ONE).counts
        assert counts.files_fetched == IMAGES - held
        assert site.is_whole(mirror)
