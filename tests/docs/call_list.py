"""Writes the list of calls into docs/api.md: ``python -m tests.docs.call_list``."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coir.client import Server
from coir.client.call import call, stream
from coir.client.operations import (
    Account,
    Admin,
    Annotations,
    Annotator,
    Categories,
    DatasetCalls,
    Exports,
    Images,
    Jobs,
    Models,
    Tokens,
    Undo,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
PLACE = re.compile(r"^<!-- calls: (?P<place>[a-z.]+) -->\n(?:\n(?:\|.*\n)+)?", re.MULTILINE)
ROUTE = re.compile(r"``((?:GET|POST|PUT|PATCH|DELETE) /[^`]+)``")
# What a user calls them on.
PLACES: dict[str, type] = {
    "server": Server,
    "dataset": DatasetCalls,
    "server.account": Account,
    "server.admin": Admin,
    "server.annotations": Annotations,
    "server.annotator": Annotator,
    "server.categories": Categories,
    "server.exports": Exports,
    "server.images": Images,
    "server.jobs": Jobs,
    "server.models": Models,
    "server.tokens": Tokens,
    "server.undo": Undo,
}
# Written for each kind of server, since each gives a handle of its own kind.
BY_HAND = ("dataset", "create_dataset")


@dataclass(frozen=True)
class Call:
    """A call as the page shows it."""

    shown: str
    gives: str
    route: str


def calls(group: type) -> list[Call]:
    """The calls of a group, in the order of their definition."""
    members = [item for one in reversed(group.__mro__) for item in vars(one).items()]
    return [
        _described(name, inspect.unwrap(member))
        for name, member in members
        if isinstance(member, call | stream) or (group is Server and name in BY_HAND)
    ]


def _described(name: str, definition: Any) -> Call:
    signature = inspect.signature(definition)
    arguments = ", ".join(_argument(one) for one in list(signature.parameters.values())[1:])
    gives = str(signature.return_annotation).removeprefix("Operation[").removesuffix("]")
    route = ROUTE.search(inspect.getdoc(definition) or "")
    return Call(
        f"{name}({arguments})",
        {"Request": "bytes, in pieces", "None": ""}.get(gives, gives),
        route[1] if route else "",
    )


def _argument(one: inspect.Parameter) -> str:
    return one.name if one.default is inspect.Parameter.empty else f"{one.name}=…"


def rendered(page: str) -> str:
    """The page with the calls that there are now."""

    def table(found: re.Match[str]) -> str:
        rows = [
            f"| `{one.shown}` | {f'`{one.gives}`' if one.gives else ''} "
            f"| {f'`{one.route}`' if one.route else ''} |"
            for one in calls(PLACES[found["place"]])
        ]
        head = f"<!-- calls: {found['place']} -->\n\n| Call | Gives | Route |\n|---|---|---|\n"
        return head + "\n".join(rows) + "\n"

    return PLACE.sub(table, page)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
