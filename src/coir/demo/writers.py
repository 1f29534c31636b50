"""People at work: they upload and delete images through the API while others read."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from coir.client import Server, connect
from coir.client.credentials import Credentials
from coir.demo.pictures import generated

__all__ = ["Work", "people_at_work"]

PEOPLE = 3
# Each pauses so long after a deletion or an upload: somebody tidying up quickly.
PAUSE_SECONDS = 0.02


@dataclass
class Work:
    """What people did so far: the ids they deleted, and the ids of what they uploaded."""

    deleted: set[int] = field(default_factory=set)
    uploaded: set[int] = field(default_factory=set)
    errors: list[BaseException] = field(default_factory=list)

    @property
    def changes(self) -> int:
        """How often people changed the dataset so far."""
        return len(self.deleted) + len(self.uploaded)


@contextmanager
def people_at_work(
    url: str, credentials: Credentials, dataset_id: int, ids: Sequence[int]
) -> Iterator[Work]:
    """Have a few people delete some of ``ids`` and upload new images until the block ends.

    Raises:
        CoirError: one of them could not do their work.

    """
    work, stop = Work(), threading.Event()
    arguments = (url, credentials, dataset_id, work, stop)
    threads = [
        threading.Thread(target=_person, args=(*arguments, list(ids[number::PEOPLE]), number))
        for number in range(PEOPLE)
    ]
    for thread in threads:
        thread.start()
    try:
        while work.changes < PEOPLE and not work.errors:
            time.sleep(PAUSE_SECONDS)  # until all have begun
        yield work
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if work.errors:
        raise work.errors[0]


def _person(
    url: str,
    credentials: Credentials,
    dataset_id: int,
    work: Work,
    stop: threading.Event,
    mine: list[int],
    number: int,
) -> None:
    # The same choices in each run, so that its figures can be compared.
    random.Random(number).shuffle(mine)  # noqa: S311 - no secret
    try:
        with connect(url, username=credentials.username, password=credentials.password) as server:
            while mine and not stop.wait(PAUSE_SECONDS):
                _one_change(server, dataset_id, work, mine, number)
    except BaseException as error:
        work.errors.append(error)


def _one_change(server: Server, dataset_id: int, work: Work, mine: list[int], number: int) -> None:
    if random.random() < 0.7:  # noqa: S311 - no secret
        image_id = mine.pop()
        work.deleted.add(image_id)  # before, so that a deletion under way counts as one
        server.images.delete(image_id)
    else:
        name = f"new_{number}_{time.monotonic_ns()}.jpg"
        content = generated(len(work.uploaded))
        work.uploaded.add(server.images.upload(dataset_id, content, name=name))
