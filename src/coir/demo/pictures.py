"""The demo's pictures: photographs that scikit-image carries, and generated ones."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

from coir.errors import CoirError

__all__ = ["generated", "lay_out"]

FOLDERS = 12
PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "horse.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
)
LONGEST_SIDE = 480


def generated(number: int) -> bytes:
    """Give a small JPEG whose colours and size depend on its number."""
    from PIL import Image

    red, green, blue = (number * 53) % 256, (number * 101) % 256, (number * 197) % 256
    picture = Image.linear_gradient("L").resize((64 + number % 33, 48 + number % 17))
    channels = [picture.point(lambda v, c=c: v * c // 255) for c in (red, green, blue)]
    with io.BytesIO() as file:
        Image.merge("RGB", channels).save(file, "JPEG", quality=80)
        return file.getvalue()


def lay_out(folder: Path, images: int) -> int:
    """Fill a dataset's folder as people do: a sub-folder a day, the same names in each.

    Gives how many of the images are photographs.
    """
    photographs = _photographs()
    for day in range(FOLDERS):
        below = folder / f"day_{day + 1:02}"
        below.mkdir(parents=True)
        for name, content in photographs.items():
            (below / name).write_bytes(content)
    for number in range(images - FOLDERS * len(photographs)):
        below = folder / f"day_{number % FOLDERS + 1:02}"
        (below / f"frame_{number // FOLDERS:04}.jpg").write_bytes(generated(number))
    return FOLDERS * len(photographs)


def _photographs() -> dict[str, bytes]:
    """Read the photographs without importing scikit-image, which takes longer than the demo."""
    from PIL import Image

    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise CoirError(
            "The demo's photographs are not installed.", hint="Run: pip install 'coir[demo]'"
        )
    photographs = {}
    for name in PHOTOGRAPHS:
        with Image.open(Path(package.origin).parent / "data" / name) as photograph:
            picture = photograph.convert("RGB")
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        with io.BytesIO() as file:
            picture.save(file, "JPEG", quality=85)
            photographs[f"{Path(name).stem}.jpg"] = file.getvalue()
    return photographs
