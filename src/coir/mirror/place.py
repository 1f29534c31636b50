"""Where the file of an image lies in a mirror: its path on the server, made fit for any disk.

Pure, and reversible: what no file system takes is written as ``%XX``, as in addresses, and the
database knows the place of each image. Nothing that a server says can lead out of the folder.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import unquote

__all__ = ["key", "local_place", "numbered", "server_place"]

# What Windows refuses in names, control characters, and the sign that marks what was replaced.
FORBIDDEN = re.compile(r'[<>:"\\|?*%\x00-\x1f\x7f]|[. ]$|^ |^\.')
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
# File systems take 255 bytes; what is being written has a longer name for a while.
LONGEST = 200


def local_place(path: str, directory: str, image_id: int) -> str:
    """Give the place of an image below the mirror's folder of images, with ``/`` between folders.

    ``path`` is the server's, ``directory`` that of its dataset. A path that does not lie there
    goes into a folder of its own.
    """
    home = directory.rstrip("/") + "/"
    inside = directory and path.startswith(home)
    relative = path[len(home) :] if inside else f"{path.rsplit('/', 1)[-1]}"
    segments = [_segment(one) for one in relative.split("/") if one] or [f"{image_id}"]
    return "/".join(segments if inside else ["%elsewhere", str(image_id), *segments])


def server_place(place: str) -> str:
    """Give the path below the dataset's directory that a place stands for.

    Of a name that was cut, or numbered, only the database knows the whole.
    """
    return "/".join(unquote(one) for one in place.split("/"))


def numbered(place: str, image_id: int) -> str:
    """Give another place for an image whose own is taken, also where only the case differs."""
    folder, slash, name = place.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    shown = f"{stem}~{image_id}.{ending}" if dot and stem else f"{name}~{image_id}"
    return f"{folder}{slash}{shown}"


def key(place: str) -> str:
    """Give what two places must not share: on some disks case and accents' forms are the same."""
    return unicodedata.normalize("NFC", place).casefold()


def _segment(name: str) -> str:
    written = FORBIDDEN.sub(lambda found: _escaped(found[0]), name)
    if RESERVED.match(written):
        written = _escaped(written[0]) + written[1:]
    return written if len(written.encode()) <= LONGEST else _cut(written)


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _cut(name: str) -> str:
    """Keep the beginning and the ending, and tell names apart by a hash."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    stem, dot, ending = name.rpartition(".")
    ending = f".{ending}" if dot and len(ending.encode()) <= 12 else ""
    kept = (stem if ending else name).encode()[: LONGEST - len(ending.encode()) - 14]
    return f"{kept.decode('utf-8', 'ignore')}~{digest}{ending}"
