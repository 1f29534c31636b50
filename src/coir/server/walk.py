"""The walk through a dataset's directory: the files that are named as pictures, with their stamps.

Nothing is opened. What has no Unicode name or one that the wire cannot carry, what is no regular
file, and links that lead out of the dataset are passed over, and said to be.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from coir.server.folders import HIDDEN, OutsideError, checked_name
from coir.server.pictures import has_picture_name
from coir.server.storage import Found, Passed, Stamp


def walk(directory: Path) -> Iterator[Found | Passed]:
    """The files below a real directory, folder by folder, sorted within each.

    A folder is read at once and closed: 10,000 files take some megabytes, and no file handle
    stays open, however deep it goes.
    """
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(directory / prefix) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            yield Passed(prefix, error.strerror or "it cannot be read", unknown=True)
            continue
        below: list[str] = []
        for entry in entries:
            if _is_folder(entry):
                reason = _unnameable(entry.name)
                if reason is None:
                    below.append(f"{prefix}{entry.name}/")
                elif not entry.name.startswith("."):
                    yield Passed(_shown(f"{prefix}{entry.name}/"), reason)
            elif has_picture_name(entry.name) and not entry.name.startswith(HIDDEN):
                yield _file(entry, prefix, directory)
        pending.extend(reversed(below))


def is_scanned_folder(entry: os.DirEntry[str]) -> bool:
    """Whether a walk enters this folder: no link, no leading dot, a name that the wire carries."""
    # The kind first: most entries are files, and it costs no system call.
    return _is_folder(entry) and _unnameable(entry.name) is None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _unnameable(name: str) -> str | None:
    """Why a walk passes over a folder of this name, or a file, dots apart."""
    if name.startswith("."):
        return "hidden"
    return _refused(name)


def _refused(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8; rename it."
    try:
        checked_name(name)
    except OutsideError as error:
        return str(error)
    return None


def _file(entry: os.DirEntry[str], prefix: str, directory: Path) -> Found | Passed:
    name = prefix + entry.name
    if reason := _refused(entry.name):
        return Passed(_shown(name), reason)
    try:
        if entry.is_symlink() and not _stays_inside(Path(entry.path), directory):
            return Passed(name, "a link that leads out of the dataset, or nowhere.")
        found = entry.stat()
    except FileNotFoundError:
        return Passed(name, "it went away while the folder was read.")
    except OSError as error:
        return Passed(name, error.strerror or "it cannot be read", unknown=True)
    if not stat.S_ISREG(found.st_mode):
        return Passed(name, "it is no regular file.")
    return Found(name, Stamp(found.st_size, found.st_mtime_ns))


def _stays_inside(link: Path, directory: Path) -> bool:
    try:
        return directory in link.resolve(strict=True).parents
    except (OSError, RuntimeError):  # a loop of links
        return False


def _shown(name: str) -> str:
    """The name in Unicode without control characters, for people to find it by."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
