"""`coir serve` as a process, with the users and datasets that the client's tests ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from sqlalchemy import func, insert, select

from coir.server.store.engine import Store
from coir.server.store.tables import datasets, images
from server.databases import Files, Place, Postgres, burnt
from server.running import Running, created

FOLDERS = 12


class Serving(Running):
    """`coir serve` over a data directory; `admin` and `bob` have passwords `NAME-pw`."""

    command: ClassVar[Sequence[str]] = ("coir", "serve")

    def fill(self, owners: Sequence[int]) -> dict[int, list[int]]:
        """Insert an image for each dataset id, in this order; gives the image ids by dataset.

        Only the rows: the file names repeat from folder to folder, as people's do.
        """
        store = Store(Postgres.urls.get(self.data) or self.data / "coir.db")
        try:
            with store.write() as connection:
                names = dict(connection.execute(select(datasets.c.id, datasets.c.name)).all())
                taken = connection.execute(select(func.max(images.c.id))).scalar_one() or 0
                rows = [_row(taken + number, one, names) for number, one in enumerate(owners, 1)]
                connection.execute(insert(images), rows)
        finally:
            store.close()
        burnt(self.data, "images", taken + len(rows))
        found: dict[int, list[int]] = {one: [] for one in names}
        for row in rows:
            found[row["dataset_id"]].append(row["id"])
        return found


def _row(image_id: int, dataset_id: int, names: dict[int, str]) -> dict[str, object]:
    name = f"frame_{image_id // FOLDERS:05}.jpg"
    return {
        "id": image_id,
        "dataset_id": dataset_id,
        "path": f"/datasets/{names[dataset_id]}/day_{image_id % FOLDERS:02}/{name}",
        "file_name": name,
        "width": 64,
        "height": 48,
        "created_at": 0,
    }


FILES: Place = Files()


@contextmanager
def serving(folder: Path, place: Place = FILES) -> Iterator[Serving]:
    """A server with `admin` and `bob`, which must end in order and without a traceback."""
    running = Serving(place.data(folder / "data"))
    running.user("admin")
    running.user("bob")
    yield running
    code, out, err = running.end()
    assert (code, out) == (0, ""), f"exit code {code}, and on stderr: {err}"
    assert "Traceback" not in err, err


class Scene:
    """A server with a few datasets: what most tests of the client and its commands read.

    `birds` (id 1) is admin's and has ``ids``; `empty` has none; `bobs` is bob's; the last
    dataset is called `1`, which is the id of another.
    """

    def __init__(self, server: Serving) -> None:
        self.server = server
        self.url = server.url
        admin, bob = server.user("admin"), server.user("bob")
        self.birds = created(admin, "birds")
        self.empty = created(admin, "empty")
        self.bobs = created(bob, "bobs")
        self.named_1 = created(admin, "1")
        filled = server.fill([self.birds, self.bobs, self.birds] * 40)
        self.ids, self.bobs_ids = filled[self.birds], filled[self.bobs]

    def cookie(self, user: str) -> str:
        """The value of a new session's cookie."""
        return str(self.server.user(user).cookies["session"])
