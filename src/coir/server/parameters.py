"""The parameters of a request: where they may stand, and what they must be."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from anyio import from_thread
from fastapi import Depends, Request

from coir.server.answers import invalid, refused
from coir.server.origin import ELSEWHERE, foreign

# Python, SQLite and the wire meet here.
MAX_INTEGER = 2**63 - 1

IN_JSON = "the JSON body"
IN_QUERY = "the query string"
ANYWHERE = "the JSON body or the post body or the query string"

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body, which is waited for; empty when it is of another type.

    Only a body that calls itself JSON is read as such (recorded: login.form_encoded_body): a page
    of another site cannot send one without asking first.
    """
    return _decoded(request) if _is_json(request) else {}


def page_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body, whatever it calls itself: the original's page says, a form.

    A page of another site can send such a body without asking: what it sends is refused.
    """
    if not _is_json(request) and foreign(request.headers):
        raise refused(ELSEWHERE, 403)
    return _decoded(request)


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _decoded(request: Request) -> dict[str, Any]:
    body = from_thread.run(request.body)
    if not body:
        return {}
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refused(
            "The browser (or proxy) sent a request that this server could not understand."
        ) from None
    return value if isinstance(value, dict) else {}


def values(request: Request) -> dict[str, Any]:
    """The parameters of the JSON body, the query and the form; the former hide the latter."""
    form = from_thread.run(_form, request)
    return form | query(request) | json_object(request)


async def _form(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").lower().startswith(_FORMS):
        return {}
    async with request.form(max_files=1, max_fields=100) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


Body = Annotated[dict[str, Any], Depends(json_object)]
PageBody = Annotated[dict[str, Any], Depends(page_object)]
Values = Annotated[dict[str, Any], Depends(values)]


def query(request: Request) -> dict[str, str]:
    """The query's parameters; of a repeated one the first counts (recorded: id__gt repeated)."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        found.setdefault(name, value)
    return found


def integer(given: dict[str, Any], name: str, default: int | None = None) -> int | None:
    """An integer parameter as the contract reads it, or the default when it is absent."""
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return parsed_integer(name, value)
    raise invalid({name: f"{name} must be an integer"})


def parsed_integer(name: str, value: str | int) -> int:
    """``value`` as an integer that the database can hold."""
    try:
        number = int(value)
    except ValueError:
        # The recorded wording; a text of thousands of digits is refused with the same.
        text = str(value)[:80]
        raise invalid({name: f"invalid literal for int() with base 10: {text!r}"}) from None
    if abs(number) > MAX_INTEGER:
        raise invalid({name: f"{name} must be between -{MAX_INTEGER} and {MAX_INTEGER}"})
    return number


def required_text(given: dict[str, Any], name: str, where: str = IN_JSON) -> str:
    """A text parameter that must be there."""
    value = given.get(name)
    if value is None:
        raise invalid({name: f"Missing required parameter in {where}"})
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)  # a name or a password of digits, from programs that think in numbers
    if not isinstance(value, str):
        raise invalid({name: f"{name} must be a text"})
    if "\0" in value:
        raise invalid({name: f"{name} cannot contain the character NUL"})
    return value


def optional_text(given: dict[str, Any], name: str) -> str | None:
    """A text parameter, or None."""
    return None if given.get(name) is None else required_text(given, name)


def texts(given: dict[str, Any], name: str) -> list[str]:
    """A list of texts; empty when absent. One text alone is a list of one."""
    value = given.get(name)
    if value is None:
        return []
    if isinstance(value, str):
        return [required_text(given, name)]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [required_text({name: item}, name) for item in value]
    raise invalid({name: f"{name} must be a list of texts"})


def integers(given: dict[str, Any], name: str) -> list[int] | None:
    """A list of integers, or None."""
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, list) and all(
        isinstance(item, (int, str)) and not isinstance(item, bool) for item in value
    ):
        return [parsed_integer(name, item) for item in value]
    raise invalid({name: f"{name} must be a list of integers"})


def mapping(given: dict[str, Any], name: str) -> dict[str, Any] | None:
    """A JSON object, or None; an empty list is an empty one, as the original's pages send it."""
    value = given.get(name)
    if value is None or isinstance(value, dict):
        return value
    if value == []:
        return {}
    raise invalid({name: f"{name} must be an object"})


def truth(given: dict[str, Any], name: str) -> bool:
    """A flag as the picture route reads it: any text but an empty one is true."""
    return bool(given.get(name))
