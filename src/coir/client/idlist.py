"""Decodes a list of ids of any length into 8 bytes an id, a stretch at a time."""

from __future__ import annotations

from array import array

import msgspec

from coir.client.exchange import Answer, Request
from coir.client.reply import checked, not_json
from coir.model import IdList

__all__ = ["id_list"]

OPENING, CLOSING = b'"ids":[', b"]}"
# Decoding stretches of this many bytes was as fast as decoding all at once, and a million
# ids then take 8 MB instead of 40.
STRETCH = 1 << 16

_ids = msgspec.json.Decoder(list[int])
_head = msgspec.json.Decoder(IdList)


def id_list(request: Request, answer: Answer) -> IdList:
    """Give the ids of ``{"total": N, "query": {…}, "ids": [1, 2, …]}``.

    Raises:
        UnexpectedAnswer: it is something else, or was cut off.

    """
    body = checked(request, answer).body
    begin = body.find(OPENING) + len(OPENING)
    if begin < len(OPENING) or not body.endswith(CLOSING):
        raise not_json(request, answer, ValueError("it is no whole list of ids"))
    try:
        head = _head.decode(body[:begin] + CLOSING)
        head.ids = _decoded(body, begin, len(body) - len(CLOSING))
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as wrong:
        raise not_json(request, answer, wrong) from wrong
    return head


def _decoded(body: bytes, begin: int, end: int) -> array[int]:
    ids = array("q")
    while begin < end:
        comma = body.find(b",", begin + STRETCH, end)
        stop = end if comma < 0 else comma
        ids.extend(_ids.decode(b"[%b]" % body[begin:stop]))
        begin = stop + 1
    return ids
