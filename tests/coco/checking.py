"""Whether a document is COCO as programs read it: pycocotools, and those that follow it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from coir import rle
from coir.geometry import problem


def problems(document: dict[str, Any]) -> list[str]:
    """What a program that reads COCO would stumble over; empty when there is nothing."""
    found = [
        f"no {name}" for name in ("images", "categories", "annotations") if name not in document
    ]
    if found:
        return found
    for name in ("images", "categories", "annotations"):
        ids = Counter(one["id"] for one in document[name])
        found += [f"{name}: {number} is there {n} times" for number, n in ids.items() if n > 1]
    images = {one["id"]: one for one in document["images"]}
    categories = {one["id"]: one for one in document["categories"]}
    for image in images.values():
        if not (image["file_name"] and image["width"] > 0 and image["height"] > 0):
            found.append(f"image {image['id']}: no name or no size")
    for category in categories.values():
        labels = len(category.get("keypoints", []))
        for edge in category.get("skeleton", []):
            if not all(0 < end <= labels for end in edge):
                found.append(f"category {category['id']}: edge {edge}")
    for one in document["annotations"]:
        image, category = images.get(one["image_id"]), categories.get(one["category_id"])
        if image is None or category is None:
            found.append(f"annotation {one['id']}: no image or no category")
        else:
            found += [f"annotation {one['id']}: {text}" for text in _annotation(one, image)]
    return found


def _annotation(one: dict[str, Any], image: dict[str, Any]) -> list[str]:
    found = []
    shape, keypoints = one["segmentation"], one.get("keypoints", [])
    if isinstance(shape, dict):
        if shape["size"] != [image["height"], image["width"]]:
            found.append("a mask of another size")
        rle.runs(shape)
    elif not shape and not keypoints:
        found.append("neither outline nor keypoints")
    else:
        found += [text for ring in shape if (text := problem(ring))]
    if len(one["bbox"]) != 4 or not all(isinstance(n, (int, float)) for n in one["bbox"]):
        found.append("no box")
    if not isinstance(one["area"], (int, float)) or one["iscrowd"] not in (0, 1):
        found.append("no area, or neither crowd nor not")
    if len(keypoints) % 3 or one.get("num_keypoints", 0) != sum(v > 0 for v in keypoints[2::3]):
        found.append("keypoints")
    return found
