"""Where the file of an image lies in a mirror: its path on the server, made fit for any disk.

Pure, and reversible: what some file system refuses is written as ``%XX``, as in addresses, and the
database knows the place of each image. Nothing that a server says can lead out of the folder.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import unquote

__all__ = ["as_jpeg", "folders", "key", "local_place", "numbered", "server_path"]

# What Windows refuses in names, control characters, lone halves of characters, and the sign that
# marks what was replaced; dots and spaces where some system drops them, or hides the file.
FORBIDDEN = re.compile('[<>:"\\\\|?*%\x00-\x1f\x7f\ud800-\udfff]|[. ]\\Z|\\A[. ]')
# Names that are devices on Windows, whatever ending they have.
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|\Z)", re.I)
# File systems take 255 bytes in a name, of which numbers may take some; Linux 4,096 in a path, of
# which the mirror's own folder takes some.
LONGEST = 200
LONGEST_PLACE = 2_000
# An empty name between two slashes; and folders that no escaped name can have.
EMPTY = "%"
ELSEWHERE = "%elsewhere"
LONG = "%long"
JPEG = (".jpg", ".jpeg")
BAD = "surrogatepass"


def local_place(path: str, directory: str) -> str:
    """Give the place of an image below the mirror's folder of images, with ``/`` between folders.

    ``path`` is the server's, ``directory`` that of its dataset. A path that does not lie there
    goes, whole, into a folder of its own.
    """
    home = directory.rstrip("/") + "/"
    inside = bool(directory) and path.startswith(home) and len(path) > len(home)
    relative = path[len(home) :] if inside else path
    segments = [_segment(one) for one in relative.split("/")]
    place = "/".join(segments if inside else [ELSEWHERE, *segments])
    return place if len(place.encode()) <= LONGEST_PLACE else _hashed(place)


def as_jpeg(place: str) -> str:
    """Give the place of a JPEG that was made of a picture: one of another kind gets an ending."""
    return place if place.lower().endswith(JPEG) else f"{place}.jpg"


def server_path(place: str, directory: str) -> str:
    """Give the path on the server that a place stands for.

    Of what was cut, numbered or made a JPEG only the database knows it.
    """
    outside = place.startswith(f"{ELSEWHERE}/")
    relative = place.removeprefix(f"{ELSEWHERE}/") if outside else place
    path = "/".join("" if one == EMPTY else unquote(one, errors=BAD) for one in relative.split("/"))
    return path if outside else f"{directory.rstrip('/')}/{path}"


def numbered(place: str, image_id: int) -> str:
    """Give another place for an image whose own is taken, also where only the case differs."""
    folder, slash, name = place.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    shown = f"{stem}~{image_id}.{ending}" if dot and stem else f"{name}~{image_id}"
    return f"{folder}{slash}{shown}"


def key(place: str) -> str:
    """Give what two places must not share: on some disks case and accents' forms are the same."""
    # Each may undo the other's work; this is stable (Unicode, 3.13, D145).
    folded = unicodedata.normalize("NFD", place).casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", folded).casefold())


def folders(place: str) -> list[str]:
    """Give the folders that a place lies in, the outermost first."""
    parts = place.split("/")[:-1]
    return ["/".join(parts[:number]) for number in range(1, len(parts) + 1)]


def _segment(name: str) -> str:
    if not name:
        return EMPTY
    written = FORBIDDEN.sub(lambda found: _escaped(found[0]), name)
    if RESERVED.match(written):
        written = _escaped(written[0]) + written[1:]
    return written if len(written.encode()) <= LONGEST else _cut(written)


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode(errors=BAD))


def _cut(name: str) -> str:
    """Keep the beginning and the ending, and tell names apart by a hash."""
    ending = _ending(name)
    stem = name.removesuffix(ending).encode()[: LONGEST - len(ending.encode()) - 17]
    return f"{stem.decode('utf-8', 'ignore')}~{_digest(name)}{ending}"


def _hashed(place: str) -> str:
    """A place that is too deep: a hash tells it from others."""
    return f"{LONG}/{_digest(place)}{_ending(place)}"


def _ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    short = dot and stem and len(ending.encode()) <= 12 and "/" not in ending
    return f".{ending}" if short else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
