"""Twenty thousand images on a real server: every id once, at rest and at work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

import msgspec
import pytest

import coir
from coir.client.credentials import Credentials
from coir.demo.writers import people_at_work
from coir.model import ServerInfo
from server.databases import Place
from server.running import created

from .serving import Serving, serving

pytestmark = pytest.mark.slow

IMAGES = 20_000
ADMIN = Credentials("admin", "admin-pw")
OTHERS = 7


class Filled:
    """A server with three datasets, and the ids of each.

    `whole` and `busy` have ids in one stretch; the tests that change something change `busy`.
    Of the ids that `sparse` lies among, one in eight is its own, after a stretch without any.
    """

    def __init__(self, server: Serving) -> None:
        self.server = server
        self.url = server.url
        client = server.user("admin")
        whole = created(client, "whole")
        sparse = created(client, "sparse")
        others = [created(client, f"other {number}") for number in range(OTHERS)]
        busy = created(client, "busy")
        order = [whole] * IMAGES + [sparse] * 3 + [busy] * IMAGES + [sparse, *others] * 1_000
        found = server.fill(order)
        self.whole, self.sparse, self.busy = found[whole], found[sparse], found[busy]
        self.busy_id = busy


@pytest.fixture(scope="module")
def filled(database: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with serving(tmp_path_factory.mktemp("whole"), database) as running:
        yield Filled(running)


def _of_original(info: ServerInfo) -> ServerInfo:
    """What a server tells of itself, without what only coir's own does: it is read by windows."""
    return msgspec.structs.replace(info, coir=None)


def _connected(filled: Filled, *, windows: bool) -> coir.Server:
    server = coir.connect(filled.url, username="admin", password="admin-pw")
    if windows:
        server.info = _of_original(server.info)
    return server


def _coir_ids(url: str, dataset: str, certificate: Path) -> list[int]:
    command = [sys.executable, "-m", "coir", "ids", dataset, "-s", url, "-u", "admin", "-q"]
    done = subprocess.run(
        [*command, "--certificate", str(certificate)],
        env=os.environ | {"COIR_PASSWORD": "admin-pw"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [int(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("dataset", ["whole", "sparse"])
def test_command(filled: Filled, dataset: str, tmp_path: Path) -> None:
    """`coir ids` prints exactly the ids that are there, and the certificate says complete."""
    certificate = tmp_path / "certificate.json"
    assert _coir_ids(filled.url, dataset, certificate) == getattr(filled, dataset)
    says = json.loads(certificate.read_bytes())
    assert says["verdict"] == "complete"
    assert says["count"] == len(getattr(filled, dataset))


@pytest.mark.parametrize("dataset", ["whole", "sparse"])
@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_windows(filled: Filled, dataset: str, concurrency: int) -> None:
    """Windows give exactly the ids that are there, however many requests are under way."""
    with _connected(filled, windows=True) as server:
        scan = coir.Scan(server.dataset(dataset), concurrency=concurrency)
        assert list(scan.ids()) == getattr(filled, dataset)
    assert scan.certificate.verdict is coir.Verdict.COMPLETE
    assert scan.certificate.windows > 1


@pytest.mark.parametrize("dataset", ["whole", "sparse"])
def test_fast_path(filled: Filled, dataset: str) -> None:
    """What coir's own server offers besides gives the same ids with the same hash."""
    certificates = []
    for windows in (False, True):
        with _connected(filled, windows=windows) as server:
            scan = coir.Scan(server.dataset(dataset))
            assert list(scan.ids()) == getattr(filled, dataset)
            certificates.append(scan.certificate)
    fast, slow = certificates
    assert fast.ids_sha256 == slow.ids_sha256
    assert fast.requests <= slow.requests


@pytest.mark.anyio
@pytest.mark.parametrize("dataset", ["whole", "sparse"])
async def test_asynchronous_scan(filled: Filled, dataset: str) -> None:
    """An asynchronous scan gives exactly the ids that are there, as ids and as rows."""
    async with await coir.connect_async(
        filled.url, username="admin", password="admin-pw"
    ) as server:
        scan = coir.AsyncScan(await server.dataset(dataset))
        assert list(await scan.ids()) == getattr(filled, dataset)
        assert scan.certificate.verdict is coir.Verdict.COMPLETE
        server.info = _of_original(server.info)
        assert list(await scan.ids()) == getattr(filled, dataset)
        assert [row.id async for row in scan] == getattr(filled, dataset)


def _judge(scan: coir.Scan | coir.AsyncScan, ids: Sequence[int], throughout: Set[int]) -> None:
    """What holds of a reading while people work, whatever the verdict."""
    certificate = scan.certificate
    assert list(ids) == sorted(set(ids))
    assert throughout - set(ids) == set()
    assert certificate.count == len(ids)
    assert certificate.high_water_mark is not None
    assert all(image_id <= certificate.high_water_mark for image_id in ids)
    assert certificate.verdict is not coir.Verdict.INCOMPLETE
    if certificate.verdict is coir.Verdict.COMPLETE:
        assert certificate.counted_at_end == len(ids)
    else:
        assert certificate.counted_at_end != len(ids)


@pytest.mark.parametrize("windows", [True, False])
def test_people_at_work(filled: Filled, windows: bool) -> None:
    """While people upload and delete, every image that was there throughout is read once."""
    read: set[int] = set()
    with _connected(filled, windows=windows) as server:
        scan = coir.Scan(server.dataset("busy"))
        present = scan.ids()
        with people_at_work(filled.url, ADMIN, filled.busy_id, present) as work:
            deadline = time.monotonic() + 20
            while min(len(work.deleted), len(work.uploaded)) < 8 and time.monotonic() < deadline:
                before = set(present) | work.uploaded
                ids = scan.ids()
                # A deletion is noted before it is sent: those noted by now may be read or not.
                _judge(scan, ids, before - work.deleted)
                read.update(ids)
        assert min(len(work.deleted), len(work.uploaded)) >= 8
        assert read <= set(present) | work.uploaded
        assert set(scan.ids()) == set(present) - work.deleted | work.uploaded
        assert scan.certificate.verdict is coir.Verdict.COMPLETE


@pytest.mark.anyio
async def test_people_at_work_asynchronously(filled: Filled) -> None:
    """The same holds of an asynchronous scan."""
    async with await coir.connect_async(
        filled.url, username="admin", password="admin-pw"
    ) as server:
        server.info = _of_original(server.info)
        scan = coir.AsyncScan(await server.dataset("busy"))
        present = await scan.ids()
        with people_at_work(filled.url, ADMIN, filled.busy_id, present) as work:
            before = set(present) | work.uploaded
            for _ in range(4):
                _judge(scan, await scan.ids(), before - work.deleted)
        assert set(await scan.ids()) == set(present) - work.deleted | work.uploaded
        assert scan.certificate.verdict is coir.Verdict.COMPLETE
