"""Fields beyond the listing: which way is taken to them, and what happens to what is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import UNSET

import coir
from client.serving import Scene, serving
from coir.client import routes
from coir.client.exchange import Answer, Operation, Request
from coir.errors import InvalidRequest
from coir.model import Image
from coir.scan import Scan
from coir.scan.details import Filler
from server.running import created, picture, scanned

from .proxy import Proxy

ROWS = [Image(1, "a"), Image(3, "c"), Image(7, "g")]


class Original:
    """Answers as the original does for `dataset` 1, which holds ``ids``; keeps what was asked."""

    def __init__(self, ids: list[int], others: int, *, listed: set[int] | None = None) -> None:
        self.ids, self.others = ids, others
        self.listed = set(ids) if listed is None else listed
        self.asked: list[str] = []
        self.before = others
        self.rows = 0  # of the list of all images

    def run(self, operation: Operation[list[Image]]) -> list[Image]:
        """Run an operation to its end."""
        answer: Answer | None = None
        try:
            while True:
                answer = self.answer(operation.send(answer) if answer else next(operation))
        except StopIteration as stop:
            return list(stop.value)

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        self.asked.append(request.path)
        if request.path == "/api/image/":
            per_page, page = (int(request.params[name]) for name in ("per_page", "page"))
            self.rows += per_page
            # In the order in which they were made: those of others before, unless told else.
            mine = [self.row(image_id) for image_id in self.ids if image_id in self.listed]
            start = (page - 1) * per_page - self.before
            rows = mine[max(0, start) : max(0, start + per_page)]
            body = {"total": len(self.ids) + self.others, "images": rows}
            return Answer(200, {}, json.dumps(body).encode(), 0.1)
        image_id = int(request.path.rsplit("/", 1)[1])
        if image_id not in self.ids:
            gone = b'{"success": false, "message": "Could not load image"}'
            return Answer(400, {}, gone, 0.1)
        return Answer(200, {}, json.dumps({"image": self.row(image_id)}).encode(), 0.1)

    def row(self, image_id: int) -> dict[str, object]:
        """An image as both routes tell it."""
        return {"id": image_id, "dataset_id": 1, "path": f"/d/{image_id}", "width": image_id}


def test_the_list_of_all_images_is_read_where_that_is_cheaper() -> None:
    """A large part of the server's images is read from the list, not one by one."""
    server = Original([1, 3, 7], others=10)
    filled = server.run(Filler(1, ("path", "width")).filled(ROWS, 3))
    assert [(row.path, row.width) for row in filled] == [("/d/1", 1), ("/d/3", 3), ("/d/7", 7)]
    assert [row.file_name for row in filled] == ["a", "c", "g"]
    assert set(server.asked) == {"/api/image/"}


def test_a_deleted_image_is_gone() -> None:
    """The original tells a deleted image to who asks for it alone."""
    told = {"image": {"id": 3, "dataset_id": 1, "path": "/d/3", "deleted": True}}
    operation = routes.details(3)
    next(operation)
    with pytest.raises(StopIteration) as stop:
        operation.send(Answer(200, {}, json.dumps(told).encode(), 0.1))
    assert stop.value.value is None


def test_a_few_new_images_of_many_are_at_the_end_of_the_list() -> None:
    """A thousand new images of 200,000 cost two requests, and rows in proportion to them."""
    new = range(199_001, 200_001)
    server = Original(list(new), others=199_000)
    rows = [Image(image_id, "x") for image_id in new]
    filled = server.run(Filler(1, ("path",)).filled(rows, len(rows)))
    assert [row.path for row in filled] == [f"/d/{image_id}" for image_id in new]
    assert server.asked == ["/api/image/"] * 2
    assert server.rows < 2 * len(rows)


def test_a_few_old_images_of_many_are_asked_for_one_by_one() -> None:
    """Three that are not at the end of the list of a million cost a request each."""
    server = Original([1, 3, 7], others=1_000_000, listed=set())
    filled = server.run(Filler(1, ("path",)).filled(ROWS, 3))
    assert [row.path for row in filled] == ["/d/1", "/d/3", "/d/7"]
    assert len(server.asked) == 2 + 3


def test_many_old_images_are_read_from_the_whole_list() -> None:
    """Where the first rows are not at its end, the rest is expected to be elsewhere, too."""
    server = Original([1, 3, 7], others=200_000)
    server.before = 0
    filled = server.run(Filler(1, ("path",)).filled(ROWS, 10_000))
    assert [row.path for row in filled] == ["/d/1", "/d/3", "/d/7"]
    assert server.asked == ["/api/image/"] * (2 + 11)


def test_what_the_unordered_list_leaves_out_is_asked_for() -> None:
    """A page shift that loses an image from the list costs one request."""
    server = Original([1, 3, 7], others=10, listed={1, 7})
    filled = server.run(Filler(1, ("path",)).filled(ROWS, 3))
    assert [row.path for row in filled] == ["/d/1", "/d/3", "/d/7"]
    assert "/api/annotator/data/3" in server.asked


def test_an_image_that_is_gone_stays_as_the_listing_told_it() -> None:
    """It is counted, and its fields are unset rather than made up."""
    server, filler = Original([1, 7], others=10), Filler(1, ("path",))
    filled = server.run(filler.filled(ROWS, 3))
    assert filled[1] == ROWS[1]
    assert filler.missing == 1


@pytest.mark.parametrize("wrong", [("nosuch",), ("path", "id"), "path"])
def test_fields_that_do_not_exist_are_refused(scene: Scene, wrong: object) -> None:
    """Nothing is sent for a field that no server has."""
    with coir.connect(scene.url, username="admin", password="admin-pw") as server:
        birds = server.dataset("birds")
        with pytest.raises(InvalidRequest):
            Scan(birds, fields=wrong)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with three images of different sizes; gives its address."""
    with serving(tmp_path_factory.mktemp("sized")) as running:
        admin = running.user("admin")
        dataset_id = created(admin, "sized", categories=["cat"])
        folder: Path = running.directory("sized") / "日本 语"
        folder.mkdir(parents=True)
        for width in (10, 20, 30):
            (folder / f"{width}.jpg").write_bytes(picture(width, 5))
        scanned(admin, dataset_id)
        yield running.url


@pytest.mark.parametrize("original", [False, True])
def test_fields_of_a_real_server(sized: str, original: bool) -> None:
    """Both from coir's server and from one that offers nothing of its own."""

    with (
        Proxy(sized, original=original) as proxy,
        coir.connect(proxy.url, username="admin", password="admin-pw") as server,
    ):
        scan = Scan(server.dataset("sized"), fields=("width", "path", "category_ids"))
        rows = {row.width: (row.path, row.category_ids, row.height) for row in scan}
    path = "/datasets/sized/日本 语/{}.jpg"
    assert {width: row[0] for width, row in rows.items()} == {
        width: path.format(width) for width in (10, 20, 30)
    }
    assert {row[1:] for row in rows.values()} == {((), UNSET)}
    assert scan.certificate.details_missing == 0
