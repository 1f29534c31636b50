"""Waits for new images, politely: each look costs a few small requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from coir.client import Dataset
from coir.errors import InvalidRequest
from coir.model import Image
from coir.scan.certificate import Certificate
from coir.scan.driver import Scan
from coir.scan.filter import Filter
from coir.scan.ledger import NEWEST

__all__ = ["watch"]


def watch(
    dataset: Dataset,
    where: Filter | None = None,
    *,
    every: float = 10.0,
    since: Certificate | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[list[Image], Certificate]]:
    """Give what each look finds: the new images, and the certificate of that look.

    What is there at the beginning is not given, unless it is newer than ``since``. An
    image that appears below the newest thousand ids is not seen (rule R3).

    Args:
        dataset: what ``Server.dataset`` gives.
        where: which images are wanted.
        every: the seconds between two looks.
        since: a certificate to begin from; otherwise it begins now.
        sleep: waits so many seconds.

    Raises:
        CoirError: a look failed; the caller may begin again from the last certificate.

    """
    if every <= 0:
        raise InvalidRequest("The time between two looks must be more than 0 seconds.")
    wanted = where or Filter()
    if since is None:
        newest = Scan(dataset).newest()
        wanted = replace(wanted, after_id=max(wanted.after_id, newest - NEWEST))
        baseline = Scan(dataset, wanted)
        baseline.ids()
        since = baseline.certificate
    else:
        wanted = replace(wanted, after_id=since.filters.get("after_id", 0))
    yield [], since
    while True:
        sleep(every)
        look = Scan(dataset, wanted, since=since)
        yield list(look), look.certificate
        since = look.certificate
