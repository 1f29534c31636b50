"""Whether an answer is the recorded one: status, headers, shape, and determined values."""

from __future__ import annotations

import io
import re
from http.cookies import SimpleCookie
from typing import Any

import httpx2 as httpx
from PIL import Image

from .scene import Exchange

# Values that depend on the moment, on chance or on the place.
UNDETERMINED = {
    "time_ms",
    "$oid",
    "$date",
    "color",
    "celery_id",
    "regenerate_thumbnail",
    "ago",
}
CUT = re.compile(r"…\((\d+) elements in all\)")
STAMP = re.compile(r"^\[\d\d-\d\d-\d{4} \d\d:\d\d:\d\d\]")
EXPORT = re.compile(r"coco-\d+\.\d+\.json")
# Of the picture in the scene, which the recorded bytes do not show; and of what fits into a box.
WHOLE, SIZES = (96, 64), {"get.thumbnail": (50, 33)}
# Of images, the order in which the original's scan met the files decides which has which id.
BY_NAME, BY_ID, NEITHER = ({"id"}, {"file_name", "path", "annotated", "num_annotations"}, {"*"})


def differences(exchange: Exchange, answer: httpx.Response) -> list[str]:
    """What differs from the recorded answer; empty when it is the same."""
    recorded = exchange["response"]
    if answer.status_code != recorded["status"]:
        return [f"status {answer.status_code}, recorded {recorded['status']}: {answer.text[:300]}"]
    found = _headers(exchange, answer)
    if "json" in recorded:
        loose = _loose(exchange)
        found += _values("body", recorded["json"], answer.json(), loose)
    elif recorded.get("bytes_head_hex"):
        found += _picture(exchange, answer)
    elif recorded["status"] == 404 and answer.text != recorded["text"]:
        found.append("the HTML of the 404")
    return found


def _headers(exchange: Exchange, answer: httpx.Response) -> list[str]:
    recorded, found = exchange["response"]["headers"], []
    for name in ("Content-Type", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods"):
        wanted = recorded.get(name, "").partition(";")[0]
        if answer.headers.get(name, "").partition(";")[0] != wanted:
            found.append(f"{name}: {answer.headers.get(name)}, recorded {recorded.get(name)}")
    present = ("Content-Disposition", "Last-Modified", "Expires")
    found += [n for n in present if (n in recorded) != (n in answer.headers)]
    if "ETag" in recorded and "ETag" not in answer.headers:  # ours has more of them
        found.append("ETag")
    allowed = [set(headers.get("Allow", "").split(", ")) for headers in (recorded, answer.headers)]
    if allowed[0] != allowed[1]:
        found.append(f"Allow: {allowed[1]}, recorded {allowed[0]}")
    if _path(answer.headers.get("Location", "")) != _path(recorded.get("Location", "")):
        found.append(f"Location {answer.headers.get('Location')}")
    return found + _cookie("Set-Cookie" in recorded, answer.headers.get("Set-Cookie"))


def _picture(exchange: Exchange, answer: httpx.Response) -> list[str]:
    """A whole picture, of the kind that it begins as and is said to be, in its size."""
    recorded, found = exchange["response"], []
    if not answer.content.hex().startswith(recorded["bytes_head_hex"]):
        found.append(f"the first bytes: {answer.content[:16].hex()}")
    with Image.open(io.BytesIO(answer.content)) as shown:
        shown.load()  # raises for one that is cut
        if shown.get_format_mimetype() != recorded["headers"]["Content-Type"]:
            found.append(f"the picture's kind: {shown.format}")
        wanted = SIZES.get(exchange["name"], WHOLE)
        if shown.size != wanted:
            found.append(f"the picture's size: {shown.size}, not {wanted}")
    return found


def _path(url: str) -> str:
    return url.partition("://")[2].partition("/")[2]


def _cookie(wanted: bool, given: str | None) -> list[str]:
    if (given is not None) != wanted:
        return ["a cookie is set or not"]
    if given is None:
        return []
    cookie = SimpleCookie(given)["session"]
    right = cookie["httponly"] and cookie["path"] == "/" and cookie["samesite"] == "Lax"
    return [] if right else [f"the cookie's form: {cookie.OutputString()}"]


def _loose(exchange: Exchange) -> set[str]:
    """Which values of images the record does not determine."""
    if exchange["section"] == "annotator":
        return BY_ID | {"previous", "next"}
    if exchange["section"] == "export":
        return {"file_name", "path"}
    if exchange["section"] in ("image", "annotation"):
        return BY_ID - {"annotated"} | {"category_ids"}
    if exchange["section"] == "undo":  # which image has the id, and how long ago it was
        return {"name", "ago"}
    if not exchange["section"].startswith("dataset.data"):
        return set()
    url = exchange["request"]["url"]
    order = re.search(r"order=([^&]*)", url)
    if order is None or order[1] in ("file_name", "-file_name"):
        # img_0001.jpg is there twice: the original breaks the tie by chance.
        return NEITHER if "img_0001.jpg" in url or "id" in _filters(url) else BY_NAME
    return BY_ID if order[1].strip("-") in ("id", "_id", "%2Bid") else NEITHER


def _filters(url: str) -> set[str]:
    return {part.partition("=")[0].partition("__")[0] for part in url.partition("?")[2].split("&")}


def _values(where: str, recorded: Any, answered: Any, loose: set[str]) -> list[str]:
    if type(recorded) is not type(answered):
        return [f"{where}: {answered!r}, recorded {recorded!r}"]
    if isinstance(recorded, dict):
        return _objects(where, recorded, answered, loose)
    if isinstance(recorded, list):
        return _lists(where, recorded, answered, loose)
    if isinstance(recorded, str) and STAMP.match(recorded):
        recorded, answered = (_log_line(line) for line in (recorded, answered))
    elif isinstance(recorded, str):
        recorded, answered = (EXPORT.sub("coco-….json", one) for one in (recorded, answered))
    return [] if recorded == answered else [f"{where}: {answered!r}, recorded {recorded!r}"]


def _objects(
    where: str, recorded: dict[str, Any], answered: dict[str, Any], loose: set[str]
) -> list[str]:
    found = _keys(where, recorded, answered)
    is_image = "file_name" in recorded or "instance" in recorded
    for name, value in recorded.items():
        if name not in answered:
            continue
        free = name in UNDETERMINED or (is_image and (name in loose or "*" in loose))
        if free and not (value is None or isinstance(value, (dict, list))):
            if type(value) is not type(answered[name]):
                found.append(f"{where}.{name}: {answered[name]!r}, recorded {value!r}")
        elif not free:
            found += _values(f"{where}.{name}", value, answered[name], loose)
    return found


def _keys(where: str, recorded: dict[str, Any], answered: dict[str, Any]) -> list[str]:
    found = [f"{where}.{name}: not there" for name in recorded if name not in answered]
    found += [f"{where}.{name}: new" for name in answered if name not in recorded]
    if not found and list(recorded) != list(answered):
        found = [f"{where}: keys {list(answered)}, recorded {list(recorded)}"]
    return found


def _lists(where: str, recorded: list[Any], answered: list[Any], loose: set[str]) -> list[str]:
    length = len(recorded)
    if recorded and isinstance(recorded[-1], str) and (cut := CUT.fullmatch(recorded[-1])):
        recorded, length = recorded[:-1], int(cut[1])
    if len(answered) != length:
        found = [f"{where}: {len(answered)} elements, recorded {length}"]
        if recorded and isinstance(recorded[0], dict):  # which ones they are is not known here
            for number, other in enumerate(answered):
                found += _keys(f"{where}[{number}]", recorded[0], other)
        return found
    found = []
    for number, (value, other) in enumerate(zip(recorded, answered, strict=False)):
        found += _values(f"{where}[{number}]", value, other, loose)
    return found


def _log_line(line: str) -> str:
    """A line of a log without its moment, and without the name of the file it is about."""
    return re.sub(r"[^/ ]+\.jpg$", "….jpg", STAMP.sub("[…]", line))
