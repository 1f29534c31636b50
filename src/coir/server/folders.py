"""Names of files and folders, and the logical paths that the wire knows.

The wire has ``/datasets/NAME/sub/x.jpg``; where that lies is decided by the storage and never
told. A path is taken apart into segments, and every segment is checked.
"""

from __future__ import annotations

LOGICAL_ROOT = "/datasets/"
# The limit of a name on the file systems in use.
MAX_NAME_BYTES = 255
# Where the original keeps a dataset's exports; a scan passes over it.
EXPORTS = ".exports"
# How the name of a file begins that is being written.
HIDDEN = ".coir-"


class OutsideError(ValueError):
    """A path that does not stay inside its dataset, or a name that cannot be one."""


def checked_name(name: str) -> str:
    """``name`` if it can name one file or folder: no separators, dots alone or control characters.

    Raises `OutsideError`.
    """
    control = any(character < " " or character == "\x7f" for character in name)
    if name in ("", ".", "..") or "/" in name or "\\" in name or control:
        raise OutsideError(f"{name!r} cannot be the name of a file or folder.")
    try:
        too_long = len(name.encode()) > MAX_NAME_BYTES
    except UnicodeEncodeError:
        raise OutsideError("A name must be valid Unicode.") from None
    if too_long:
        raise OutsideError("A name must be shorter than 256 bytes.")
    return name


def logical_directory(dataset_name: str) -> str:
    """The directory of a dataset as the wire shows it, ending in a slash."""
    return f"{LOGICAL_ROOT}{dataset_name}/"


def segments(folder: str) -> list[str]:
    """The checked segments of a relative path; one slash at either end does not matter."""
    trimmed = folder.removeprefix("/").removesuffix("/")
    return [checked_name(segment) for segment in trimmed.split("/")] if trimmed else []
