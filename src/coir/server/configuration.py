"""The settings from where they may stand: options and environment, a TOML file, the defaults.

What goes before what is decided here and nowhere else: an option before the environment (the
command line has put both together in ``given``), the environment before the file, and the file
before the default.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from coir.server.settings import Settings, StartError

NAMES = tuple(field.name for field in dataclasses.fields(Settings))
DATA = Path("coir-data")
# As the annotations of Settings read; what each is called in an error message.
KINDS: Mapping[str, tuple[type, str]] = {
    "Path": (str, "a text"),
    "str": (str, "a text"),
    "int": (int, "a whole number"),
    "bool": (bool, "true or false"),
}
TYPES = {field.name: KINDS[str(field.type)] for field in dataclasses.fields(Settings)}
# The passwords of an address, as a database's has them.
PASSWORD = re.compile(r"(?<=://)([^/@:]*:).+(?=@)|((?:\?|&)password=)[^&\"]+")


def configured(given: Mapping[str, Any], file: Path | None = None) -> Settings:
    """The settings; ``given`` are those of the command line and the environment.

    Raises `StartError` for a file that cannot be read, or that says what is no setting.
    """
    chosen = {} if file is None else _from_file(file)
    chosen |= {name: value for name, value in given.items() if value is not None}
    return Settings.of(chosen.pop("data", DATA), **chosen)


def printed(settings: Settings) -> str:
    """The settings as TOML that can be given back as the file.

    A value with a password in it becomes a comment that does not show the password: a copied
    output must not be worth keeping secret.
    """
    return "".join(_line(name, getattr(settings, name)) for name in NAMES)


def _from_file(file: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(f"{file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartError(f"{file} is no TOML: {error}.") from error
    for name, value in found.items():
        _check(name, value, file)
    if "data" in found:  # relative to the file, wherever the server is started
        found["data"] = file.parent / Path(found["data"]).expanduser()
    return found


def _check(name: str, value: object, file: Path) -> None:
    if name not in NAMES:
        near = get_close_matches(name, NAMES, 1)
        said = f"did you mean {near[0]}?" if near else f"there are {', '.join(NAMES)}."
        raise StartError(f"{file} sets {name}, which is no setting: {said}")
    kind, words = TYPES[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise StartError(f"{file} sets {name} to what is not {words}.")


def _line(name: str, value: object) -> str:
    if isinstance(value, (bool, int)):
        return f"{name} = {str(value).lower()}\n"
    # A JSON text is a TOML text, but for this character, which JSON does not escape.
    text = json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    masked = PASSWORD.sub(lambda found: f"{found[1] or found[2]}…", text)
    if masked != text:
        return f"# {name} = {masked}  # has a password: set COIR_{name.upper()}\n"
    return f"{name} = {text}\n"
