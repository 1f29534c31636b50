"""The model test in its slower form: a real server, real writers, and a network that fails.

Images are inserted, deleted, restored and annotated while scans read through a proxy that
loses, cuts and garbles answers. The rules are those of tests/scan/test_model.py.
"""

from __future__ import annotations

import json
import random
import threading
import time
from functools import partial
from pathlib import Path

import pytest

import coir
from client.serving import Serving, serving
from coir.scan import Filter, Scan
from coir.scan.offset_plan import OffsetPlan
from coir.scan.pace import Pace
from server.running import created

from .proxy import Proxy

IMAGES = 3_000
ROUNDS = 6


class Writer(threading.Thread):
    """Changes a dataset until it is told to stop; keeps what was there throughout, and ever."""

    def __init__(self, server: Serving, dataset_id: int, ids: list[int], seed: int) -> None:
        super().__init__()
        self.server, self.dataset_id = server, dataset_id
        self.chance = random.Random(seed)
        self.live, self.gone = set(ids), set[int]()
        self.throughout, self.ever = set(ids), set(ids)
        self.changes = 0
        self.error: BaseException | None = None
        self.stop = threading.Event()

    def run(self) -> None:
        """Change something every few milliseconds."""
        try:
            http = self.server.user("admin")
            while not self.stop.wait(0.004):
                self.change(http)
                self.changes += 1
        except BaseException as error:
            self.error = error

    def change(self, http: object) -> None:
        """Delete, restore, insert or annotate one image."""
        kind = self.chance.choice(["delete", "delete", "restore", "insert", "annotate"])
        if kind == "restore" and self.gone:
            image_id = self.chance.choice(sorted(self.gone))
            self.ever.add(image_id)
            with self.server.database() as database:
                database.execute("UPDATE images SET deleted = false WHERE id = ?", (image_id,))
            self.gone.discard(image_id)
            self.live.add(image_id)
        elif kind == "insert":
            new = self.server.fill([self.dataset_id])[self.dataset_id]
            self.ever.update(new)
            self.live.update(new)
        else:
            image_id = self.chance.choice(sorted(self.live))
            if kind == "annotate":
                body = {"image_id": image_id, "category_id": 1}
                assert http.post("/api/annotation/", json=body).status_code == 200  # type: ignore[attr-defined]
            else:
                self.throughout.discard(image_id)
                self.live.discard(image_id)
                assert http.delete(f"/api/image/{image_id}").status_code == 200  # type: ignore[attr-defined]
                self.gone.add(image_id)


def failing(seed: int) -> object:
    """Give what a bad network does to one answer in ten."""
    chance = random.Random(seed)

    def tamper(path: str, _params: dict[str, str], body: bytes) -> bytes | int | None:
        if not path.endswith("/data") or chance.random() > 0.1:
            return body
        match chance.choice(["cut", "500", "503", "reset", "late", "fewer"]):
            case "cut":
                return body[: len(body) // 2]
            case "500":
                return 500
            case "503":
                return 503
            case "reset":
                return None
            case "late":
                time.sleep(0.3)
                return body
            case _:
                answer = json.loads(body)
                answer["images"] = answer["images"][1:]
                return json.dumps(answer).encode()

    return tamper


@pytest.mark.slow
@pytest.mark.parametrize("strip", [False, True])
def test_scans_among_writers_and_failures(
    tmp_path: Path, strip: bool, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[S1] [S2] [S3] [S4] Each image there throughout comes once, and each verdict is justified."""
    monkeypatch.setattr("coir.scan.window_plan.Pace", partial(Pace, rows=100))
    monkeypatch.setattr("coir.scan.pace.MOST_ROWS", 300)
    monkeypatch.setattr("coir.scan.run.OffsetPlan", partial(OffsetPlan, largest=300))
    verdicts = set()
    with serving(tmp_path) as server:
        dataset_id = created(server.user("admin"), "busy", categories=["cat"])
        ids = server.fill([dataset_id] * IMAGES)[dataset_id]
        with (
            Proxy(server.url, strip=strip, tamper=failing(1)) as proxy,  # type: ignore[arg-type]
            coir.connect(proxy.url, username="admin", password="admin-pw") as connection,
        ):
            for number in range(ROUNDS):
                writer = Writer(server, dataset_id, ids, number)
                writer.start()
                where = Filter(annotated=False) if number == 2 else Filter()
                scan = Scan(connection.dataset("busy"), where, concurrency=1 + number % 4)
                found = scan.ids().tolist()
                writer.stop.set()
                writer.join()
                assert writer.error is None
                assert found == sorted(set(found))
                assert set(found) <= writer.ever
                if where.is_stable:
                    assert writer.throughout <= set(found)
                verdicts.add(scan.certificate.verdict)
                ids = sorted(writer.live)
    assert coir.Verdict.CHANGED in verdicts
