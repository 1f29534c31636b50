"""Assisted segmentation by an installed package."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from .databases import Place
from .running import created, picture, uploaded
from .serving import modelled


@pytest.fixture(scope="module")
def admin(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The administrator of a server beside which a package with models is installed."""
    server = modelled(place.data(tmp_path_factory.mktemp("models") / "data"))
    yield server.user("admin")
    server.signal()
    assert server.ended() == 0
    assert "Traceback" not in server.log()


@pytest.fixture(scope="module")
def image(admin: httpx.Client) -> int:
    return int(uploaded(admin, created(admin, "d1"), "x.jpg", picture(30, 20)).json())


POINTS = [[1, 2], [3, 4.5], [5, 6], [7, 8]]


def test_dextr_answers_what_the_model_gives(admin: httpx.Client, image: int) -> None:
    """The model gets the picture, the points and the original's defaults; its polygons come back
    under both names."""
    path = f"/api/model/dextr/{image}"
    polygons = [[1, 2, 3, 4.5, 30, 20, 50, 80]]
    assert admin.post(path, json={"points": POINTS}).json() == {
        "segmentation": polygons,
        "segmentaiton": polygons,
    }
    shown = admin.post(path, json={"points": POINTS, "padding": 7, "threshold": 9}).json()
    assert shown["segmentation"][0][-2:] == [7, 9]


@pytest.mark.parametrize("points", [None, [], POINTS[:3], [[1, 2, 3]] * 4, ["ab"] * 4, 4])
def test_dextr_needs_four_points(admin: httpx.Client, image: int, points: object) -> None:
    """Anything but four pairs of numbers is refused."""
    assert admin.post(f"/api/model/dextr/{image}", json={"points": points}).status_code == 400


def test_dextr_needs_an_image(admin: httpx.Client) -> None:
    """An image that is not there, or not visible, is refused."""
    assert admin.post("/api/model/dextr/999", json={"points": POINTS}).status_code == 400


def test_maskrcnn_answers_coco(admin: httpx.Client) -> None:
    """An uploaded picture is given to the model; no picture, or none at all, is refused."""
    path, files = "/api/model/maskrcnn", {"image": ("x.png", picture(30, 20, "PNG"), "image/png")}
    assert admin.post(path, files=files).json() == {
        "disabled": False,
        "coco": {"images": [{"width": 30, "mode": "RGB"}]},
    }
    assert admin.post(path).status_code == 400
    assert admin.post(path, files={"image": ("x.png", b"none", "image/png")}).status_code == 400
