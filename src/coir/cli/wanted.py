"""Which images a command is about, from what its options say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coir.cli import options
from coir.cli.group import grouped
from coir.errors import InvalidRequest
from coir.scan import Filter

__all__ = ["Wanted", "condition", "filtering"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options said."""

    annotated: bool | None = None
    category: Sequence[str] | None = None
    folder: str | None = None
    name_contains: str | None = None
    name_startswith: str | None = None
    after_id: int = 0
    where: Sequence[str] | None = None

    def filter(self) -> Filter:
        """Give the filter that they mean.

        Raises:
            InvalidRequest: a condition is none.

        """
        return Filter(
            annotated=self.annotated,
            categories=tuple(self.category or ()),
            folder=self.folder,
            name_contains=self.name_contains,
            name_startswith=self.name_startswith,
            after_id=self.after_id,
            conditions=tuple(map(condition, self.where or ())),
        )


OPTIONS = {
    "annotated": options.Annotated_,
    "category": options.Categories,
    "folder": options.Folder,
    "name_contains": options.NameContains,
    "name_startswith": options.NameStartswith,
    "after_id": options.AfterId,
    "where": options.Where,
}


def filtering(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options in the place of its parameter ``wanted``."""
    return grouped(command, "wanted", Wanted, OPTIONS)


def condition(text: str) -> tuple[str, str]:
    """Take ``FIELD__OP=VALUE`` apart.

    Raises:
        InvalidRequest: there is no ``=``.

    """
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidRequest(
            f"'{text}' is not a condition.", hint="Write it like --where width__gte=800"
        )
    return name.strip(), value
