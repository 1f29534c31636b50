"""Images: uploading, pictures, stored bytes, deleting, and the counters of annotations."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import anyio
import httpx2 as httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from coir.server.app import create_app
from coir.server.pictures import PictureError, decoded, measure
from coir.server.renditions import Renditions
from coir.server.settings import Settings
from coir.server.storage import Stamp

from .databases import Postgres
from .running import Running, created, picture, scanned, uploaded


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def dataset(admin: httpx.Client) -> int:
    return created(admin, "d1", categories=["cat", "dog"])


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    return Image.open(io.BytesIO(answer.content))


def row(client: httpx.Client, dataset: int, image: int) -> dict[str, object]:
    page = client.get(f"/api/dataset/{dataset}/data", params={"id": image}).json()
    return dict(page["images"][0])


def test_upload_never_replaces_a_file(server: Running, admin: httpx.Client, dataset: int) -> None:
    """A taken name is refused, whether an image, a deleted image or a mere file has it."""
    first = uploaded(admin, dataset, "taken.jpg", picture(color="red"))
    assert first.status_code == 200
    stored = server.directory("d1") / "taken.jpg"
    content = stored.read_bytes()
    assert uploaded(admin, dataset, "taken.jpg", picture(color="blue")).status_code == 400
    admin.delete(f"/api/image/{first.json()}")
    assert uploaded(admin, dataset, "taken.jpg", picture(color="blue")).status_code == 400
    assert stored.read_bytes() == content
    (server.directory("d1") / "unscanned.jpg").write_bytes(content)
    answer = uploaded(admin, dataset, "unscanned.jpg", picture(color="blue"))
    assert (answer.status_code, "already exists" in answer.json()["message"]) == (400, True)
    assert (server.directory("d1") / "unscanned.jpg").read_bytes() == content


def test_upload_into_a_new_folder(server: Running, admin: httpx.Client, dataset: int) -> None:
    """A name with slashes makes the folders; nothing hidden stays behind."""
    image = uploaded(admin, dataset, "new/deep/x.png", picture(kind="PNG")).json()
    page = admin.get(f"/api/dataset/{dataset}/data", params={"folder": "new"}).json()
    assert [found["id"] for found in page["images"]] == [image]
    assert page["subdirectories"] == ["deep"]
    assert [file.name for file in server.directory("d1").rglob(".*")] == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_kinds_of_pictures(admin: httpx.Client, dataset: int, kind: str) -> None:
    """Each kind is measured at upload, shown as JPEG, and stored as it was sent."""
    content = picture(70, 30, kind)
    image = uploaded(admin, dataset, f"kind.{kind.lower()}", content).json()
    shown = admin.get(f"/api/image/{image}")
    assert (opened(shown).size, shown.headers["content-type"]) == ((70, 30), "image/jpeg")
    stored = admin.get(f"/api/image/{image}?original=true")
    assert (stored.content, stored.headers["content-type"]) == (content, f"image/{kind.lower()}")


def test_picture_fits_into_a_box(admin: httpx.Client, dataset: int) -> None:
    """Width and height bound the picture, which keeps its proportions and never grows."""
    image = uploaded(admin, dataset, "box.jpg", picture(400, 200)).json()
    for query, size in {
        "width=100": (100, 50),
        "height=50": (100, 50),
        "width=100&height=10": (20, 10),
        "width=5000": (400, 200),
        "thumbnail=true": (250, 125),
        "thumbnail=true&width=50": (50, 25),
    }.items():
        assert opened(admin.get(f"/api/image/{image}?{query}")).size == size, query
    assert admin.get(f"/api/image/{image}?width=-1").status_code == 400
    assert admin.get(f"/api/image/{image}?width=x").status_code == 400


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright(
    server: Running, admin: httpx.Client, dataset: int, kind: str, orientation: int
) -> None:
    """What a camera wrote lying on its side is measured and shown upright, small and large."""
    upright = Image.new("RGB", (120, 80), "white")
    upright.paste("red", (0, 0, 60, 40))  # the corner at the top left
    upright.paste("blue", (60, 0, 120, 40))
    # What the sensor saw, by where EXIF says its first row and column are.
    turns = {
        1: [],
        2: ["FLIP_LEFT_RIGHT"],
        3: ["ROTATE_180"],
        4: ["FLIP_TOP_BOTTOM"],
        5: ["TRANSPOSE"],
        6: ["ROTATE_90"],
        7: ["TRANSVERSE"],
        8: ["ROTATE_270"],
    }[orientation]
    lying = upright
    for turn in turns:
        lying = lying.transpose(Image.Transpose[turn])
    exif = Image.Exif()
    exif[0x0112] = orientation
    written = io.BytesIO()
    lying.save(written, kind, exif=exif)
    name = f"lying{orientation}.{kind.lower()}"
    image = uploaded(admin, dataset, name, written.getvalue()).json()
    page = admin.get(
        f"/api/dataset/{dataset}/data", params={"id": image, "fields": "width,height"}
    ).json()
    assert [page["images"][0][one] for one in ("width", "height")] == [120, 80]
    for query, size in {"": (120, 80), "?width=60": (60, 40), "?height=20": (30, 20)}.items():
        shown = opened(admin.get(f"/api/image/{image}{query}")).convert("RGB")
        assert shown.size == size
        left, right = (shown.getpixel((size[0] * n // 4, size[1] // 4)) for n in (1, 3))
        assert isinstance(left, tuple)
        assert isinstance(right, tuple)
        assert (left[0] > 200 > 60 > left[2], right[2] > 200 > 60 > right[0]) == (True, True)
    assert admin.get(f"/api/image/{image}?original=1").content == written.getvalue()


def test_orientation_that_cannot_be_read_is_none(admin: httpx.Client, dataset: int) -> None:
    """Nonsense in the place of the camera's data: the picture as it lies."""
    for number, data in enumerate((b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" * 9)):
        written = io.BytesIO()
        Image.new("RGB", (12, 8)).save(written, "JPEG", exif=data)
        image = uploaded(admin, dataset, f"nonsense{number}.jpg", written.getvalue()).json()
        assert opened(admin.get(f"/api/image/{image}")).size == (12, 8)


def test_stored_bytes_are_cached_privately(admin: httpx.Client, dataset: int) -> None:
    """The stored bytes carry an ETag; asking with it answers 304, and a range answers a part."""
    image = uploaded(admin, dataset, "cached.jpg").json()
    path = f"/api/image/{image}?original=1"
    first = admin.get(path)
    assert first.headers["cache-control"] == "private, max-age=43200"
    again = admin.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert admin.get(path, headers={"If-None-Match": '"x"'}).content == first.content
    part = admin.get(path, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, first.content[2:6])


def test_attachment_has_the_files_name(admin: httpx.Client, dataset: int) -> None:
    """The name of a download is the image's, in any script, and cannot break the header."""
    for name, shown in {
        "plain.jpg": "attachment; filename=plain.jpg",
        "Küste é.jpg": "attachment; filename*=utf-8''K%C3%BCste%20%C3%A9.jpg",
        'a"b;c.jpg': "attachment; filename*=utf-8''a%22b%3Bc.jpg",
    }.items():
        body = (
            b'--x\r\nContent-Disposition: form-data; name="image"; filename="'
            + name.replace('"', '\\"').encode()
            + b'"\r\n\r\n'
            + picture()
            + b"\r\n--x--\r\n"
        )
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        url = f"/api/image/?dataset_id={dataset}"
        image = admin.post(url, content=body, headers=headers).json()
        answer = admin.get(f"/api/image/{image}?asAttachment=true")
        assert answer.headers["content-disposition"] == shown


def test_renditions_follow_the_file(server: Running, admin: httpx.Client, dataset: int) -> None:
    """A picture is made once for each size; of a file that changed the new one is shown."""
    image = uploaded(admin, dataset, "kept.png", picture(60, 40, "PNG", "red")).json()
    path = f"/api/image/{image}?width=30"
    first = admin.get(path)
    kept = [file for file in (server.data / "renditions").rglob("*") if file.is_file()]
    assert first.content in [file.read_bytes() for file in kept]
    assert admin.get(path).content == first.content
    assert len([file for file in (server.data / "renditions").rglob("*") if file.is_file()]) == len(
        kept
    )
    (server.directory("d1") / "kept.png").write_bytes(picture(60, 40, "PNG", "blue"))
    shown = opened(admin.get(path)).convert("RGB").getpixel((5, 5))
    assert isinstance(shown, tuple)
    assert shown[2] > 200 > 60 > shown[0]
    (server.directory("d1") / "kept.png").unlink()
    assert admin.get(path).status_code == 400


def test_renditions_are_bounded(tmp_path: Path) -> None:
    """The oldest go when there are too many bytes; what was left by another process counts."""
    for _ in range(2):
        renditions = Renditions(tmp_path / "kept", 10_000)
        for number in range(30):
            renditions.keep(f"/datasets/d/{number}", Stamp(number, 1), (1, 1), bytes(1000))
            files = [file for file in (tmp_path / "kept").rglob("*") if file.is_file()]
            assert sum(file.stat().st_size for file in files) <= 10_000
        assert renditions.find("/datasets/d/29", Stamp(29, 1), (1, 1)) == bytes(1000)
        assert renditions.find("/datasets/d/0", Stamp(0, 1), (1, 1)) is None
    assert renditions.find("/datasets/d/29", Stamp(29, 2), (1, 1)) is None


def test_bombs_are_refused(server: Running, admin: httpx.Client, dataset: int) -> None:
    """A small file that says it is a huge picture is refused at upload and skipped by a scan."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
    answer = uploaded(admin, dataset, "bomb.png", bomb + chunk(b"IEND", b""))
    assert (answer.status_code, "pixels" in answer.json()["message"]) == (400, True)
    other = created(admin, "bombs")
    (server.directory("bombs") / "bomb.png").write_bytes(bomb)
    assert scanned(admin, other)["warnings"] == 1
    assert admin.get(f"/api/dataset/{other}/data").json()["total"] == 0


@pytest.mark.parametrize("length", [0, 1, 100, 400])
def test_damaged_pictures_never_crash(
    server: Running, admin: httpx.Client, dataset: int, length: int
) -> None:
    """A picture that ends too early is refused at upload, or when it is to be shown."""
    answer = uploaded(admin, dataset, f"cut{length}.jpg", picture()[:length])
    if answer.status_code == 200:
        answer = admin.get(f"/api/image/{answer.json()}")
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_vanished_file_is_said_to_be_gone(
    server: Running, admin: httpx.Client, dataset: int
) -> None:
    """An image without its file answers 400 with a message."""
    image = uploaded(admin, dataset, "gone.jpg").json()
    (server.directory("d1") / "gone.jpg").unlink()
    for query in ("", "?original=1"):
        answer = admin.get(f"/api/image/{image}{query}")
        assert (answer.status_code, answer.json()["success"]) == (400, False)


def test_deleted_image_leaves_every_list(admin: httpx.Client, dataset: int) -> None:
    """A deleted image is in no page, no count and no list; deleting it again is refused."""
    image = uploaded(admin, dataset, "deleted.jpg").json()
    before = admin.get(f"/api/dataset/{dataset}/data").json()["total"]
    assert admin.delete(f"/api/image/{image}").json() == {"success": True}
    after = admin.get(f"/api/dataset/{dataset}/data", params={"limit": 10_000}).json()
    assert after["total"] == before - 1 == len(after["images"])
    assert image not in [found["id"] for found in after["images"]]
    shown = admin.get("/api/image/?fields=id&per_page=10000").json()
    assert {"id": image} not in shown["images"]
    assert admin.get(f"/api/image/{image}").status_code == 400
    assert admin.delete(f"/api/image/{image}").status_code == 400
    given = {"image_id": image, "category_id": 1}
    assert admin.post("/api/annotation/", json=given).status_code == 400


def test_fields_select_columns(admin: httpx.Client, dataset: int) -> None:
    """`fields` gives these columns in the contract's order; one that does not exist is refused."""
    uploaded(admin, dataset, "fields.jpg")
    shown = admin.get("/api/image/?fields=path,id&per_page=1").json()["images"]
    assert [list(found) for found in shown] == [["id", "path"]]
    shown = admin.get("/api/image/?fields=annotating&per_page=1").json()["images"]
    assert [list(found) for found in shown] == [["id", "annotating"]]
    assert admin.get("/api/image/?fields=id,nosuch").status_code == 400


def test_upload_above_the_limit_is_refused(data: Path) -> None:
    """An upload larger than the setting is refused with 413, and leaves nothing behind."""
    database = Postgres.urls.get(data, "")
    app = create_app(Settings.of(data, database=database, max_upload_bytes=1000))

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            given = {"username": "admin", "password": "pw"}
            await client.post("/api/user/register", json=given)
            await client.post("/api/dataset/", json={"name": "d1"})
            return [
                await client.post(
                    "/api/image/?dataset_id=1", files={"image": ("x.jpg", picture() + padding)}
                )
                for padding in (bytes(200_000), b"")
            ]

    answers = anyio.run(ask)
    app.state.server.store.close()
    assert [answer.status_code for answer in answers] == [413, 200]
    assert [file.name for file in (data / "datasets" / "d1").iterdir()] == ["x.jpg"]


def test_copied_annotations_are_the_targets(admin: httpx.Client, dataset: int) -> None:
    """Copies have the original's content, the target's place, and count there at once."""
    source, target = (uploaded(admin, dataset, f"copy{n}.jpg").json() for n in "ab")
    outline = [[1, 1, 5, 1, 5, 5]]
    cat, dog = (one["id"] for one in admin.get(f"/api/dataset/{dataset}/data").json()["categories"])
    for category in (cat, dog, None, 99_999):
        given = {"image_id": source, "category_id": category, "segmentation": outline}
        assert admin.post("/api/annotation/", json=given).status_code == 200
    given = {"image_id": source, "category_id": cat}
    gone = admin.post("/api/annotation/", json=given).json()["id"]
    admin.delete(f"/api/annotation/{gone}")
    path = f"/api/image/copy/{source}/{target}/annotations"
    assert admin.post(path, json={"category_ids": [dog]}).json() == {"annotations_created": 1}
    assert row(admin, dataset, target)["num_annotations"] == 1
    # Without a choice: the categories of the dataset.
    assert admin.post(path).json() == {"annotations_created": 2}  # cat and dog
    assert row(admin, dataset, target)["num_annotations"] == 3
    assert row(admin, dataset, source)["num_annotations"] == 4
    newest = admin.get(f"/api/annotation/{gone + 3}").json()
    assert (newest["image_id"], newest["segmentation"]) == (target, outline)
    assert admin.post(path, json={"category_ids": "x"}).status_code == 400
    assert admin.post(path, json={"category_ids": [True]}).status_code == 400


def test_copying_needs_both_images(server: Running, admin: httpx.Client, dataset: int) -> None:
    """Who does not see both images can copy neither from nor to them."""
    ours = [uploaded(admin, dataset, f"ours{n}.jpg").json() for n in "ab"]
    bob = server.user("bob")
    bobs = created(bob, "bobs copies")
    theirs = uploaded(bob, bobs, "theirs.jpg").json()
    for one, other in ((ours[0], theirs), (theirs, ours[0]), (ours[0], ours[1])):
        answer = bob.post(f"/api/image/copy/{one}/{other}/annotations")
        assert (answer.status_code, answer.json()["message"]) == (400, "Invalid image ids")
    assert bob.delete(f"/api/dataset/{bobs}").status_code == 200


def test_image_as_coco(admin: httpx.Client, dataset: int) -> None:
    """One image as COCO: its living annotations that have a shape, and their categories only."""
    one, other, bare = (uploaded(admin, dataset, f"coco{n}.jpg").json() for n in "abc")
    cat, dog = (one["id"] for one in admin.get(f"/api/dataset/{dataset}/data").json()["categories"])
    outline = [[1, 1, 5, 1, 5, 5]]
    made = [
        admin.post("/api/annotation/", json=given).json()["id"]
        for given in (
            {"image_id": one, "category_id": cat, "segmentation": outline},
            {"image_id": one, "category_id": cat},
            {"image_id": one, "category_id": cat, "segmentation": outline},
            {"image_id": other, "category_id": dog, "segmentation": outline},
        )
    ]
    admin.delete(f"/api/annotation/{made[2]}")
    answer = admin.get(f"/api/image/{one}/coco")
    assert answer.headers["content-type"] == "application/json"
    shown = answer.json()
    assert list(shown) == ["images", "categories", "annotations"]
    assert shown["images"] == [
        {
            "id": one,
            "dataset_id": dataset,
            "path": "/datasets/d1/cocoa.jpg",
            "width": 96,
            "height": 64,
            "file_name": "cocoa.jpg",
        }
    ]
    assert [category["id"] for category in shown["categories"]] == [cat]
    assert [annotation["id"] for annotation in shown["annotations"]] == [made[0]]
    assert shown["annotations"][0]["area"] == 8
    empty = admin.get(f"/api/image/{bare}/coco").json()
    assert [len(empty[name]) for name in ("images", "categories", "annotations")] == [1, 0, 0]
    assert admin.get("/api/image/999999/coco").status_code == 400


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_broken_files_are_said_to_be_broken(kind: str, data: st.DataObject) -> None:
    """Whatever the bytes are: a size and a picture, or one sentence, and no other error."""
    content = bytearray(picture(20, 10, kind))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of what it takes nevertheless
        for ask in (measure, decoded):
            with contextlib.suppress(PictureError):
                ask(io.BytesIO(content), 10_000)
