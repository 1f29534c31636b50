"""Ids in the path of a request."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

from coir.server.parameters import MAX_INTEGER


class IdConvertor(Convertor[int]):
    """``{image_id:id}``: digits; what is no id matches no route (recorded: 404 HTML).

    A number above the database's integers becomes the largest, which no row has.
    """

    regex = "[0-9]+"

    def convert(self, value: str) -> int:
        """The id in the path."""
        digits = value.lstrip("0") or "0"
        return MAX_INTEGER if len(digits) > 18 else int(digits)

    def to_string(self, value: int) -> str:
        """The id as it stands in a path."""
        return str(value)


register_url_convertor("id", IdConvertor())
