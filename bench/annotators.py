"""How long the annotation page waits for its load and its save while many people annotate.

    python3 -m bench.annotators                       20 people on SQLite, half a minute
    python3 -m bench.annotators --database postgresql
    python3 -m bench.annotators --server URL --username NAME --dataset D

Each has some images with 20 drawn annotations. Again and again they load one, think, save it with
one outline changed, and think: one load and one save every two seconds or so. As the page of the
original does, a save sends every annotation of the image with its paper.js object. The server is
coir's own, started for it, or one that runs already, where the people register and their
annotations are deleted at the end (the password is taken from COIR_PASSWORD; 100 images are
used). One more client asks for what needs almost no work, which shows how much of the waiting is
for a core.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import secrets
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import msgspec

from bench import machine
from bench.cost import cpu_seconds, listeners
from bench.place import Place
from bench.postgres import KINDS, Database, open_database
from bench.stage import open_stage
from bench.talk import say

CATEGORIES = ("tree", "bush")
RING = (10, 10, 40, 10, 40, 40, 10, 40)
IMAGES = 5  # of each annotator
SIZE = (640, 480)
POINTS = 24
# Between a load and a save, and a save and a load: a second, more or less.
PAUSE = (0.5, 1.5)
WARM_SECONDS = 3.0
SMALL_EVERY = 0.2
LOAD, SAVE, SMALL = ROWS = ("load", "save", "an answer of almost no work")

Times = dict[str, list[float]]


def drawing(number: int, moved: float) -> list[Any]:
    """Give a shape as paper.js exports it: every fourth with curves, every fifth with a hole."""
    x, y = 40 + 28 * (number % 20) - SIZE[0] / 2, 60 + 90 * (number % 5) - SIZE[1] / 2 + moved
    children = [_path(x, y, 30, curved=number % 4 == 0)]
    if number % 5 == 0:
        children.append(_path(x, y, 10, curved=False))
    return ["CompoundPath", {"applyMatrix": True, "children": children}]


def _path(x: float, y: float, radius: float, *, curved: bool) -> list[Any]:
    segments: list[Any] = []
    for number in range(POINTS):
        angle = 2 * math.pi * number / POINTS
        reach = radius * (1 + 0.2 * (number % 2))
        point = [round(x + reach * math.cos(angle), 2), round(y + reach * math.sin(angle), 2)]
        along = [round(-4 * math.sin(angle), 2), round(4 * math.cos(angle), 2)]
        back = [-n for n in along]
        segments.append([point, back, along] if curved else point)
    return ["Path", {"applyMatrix": True, "segments": segments, "closed": True}]


def message(page: dict[str, Any], changed: int, moment: int, *, all_new: bool = False) -> bytes:
    """Give what the page sends: everything that it shows, one annotation of it drawn anew."""
    number = 0
    categories = []
    for category in page["categories"]:
        sent = []
        for one in category["annotations"]:
            kept = ("id", "isbbox", "color", "metadata", "keypoints")
            fields = {name: one[name] for name in kept} | {"compoundPath": one["paper_object"]}
            fields["sessions"] = []
            if all_new or number == changed:
                fields["compoundPath"] = drawing(number, moment % 7)
                spent = {"start": moment, "milliseconds": 900, "tools": ["Polygon"]}
                fields["sessions"] = [spent]
            sent.append(fields)
            number += 1
        shown = ("id", "color", "keypoint_edges", "keypoint_labels", "keypoint_colors")
        categories.append({name: category[name] for name in shown} | {"annotations": sent})
    image = {"id": page["image"]["id"], "metadata": page["image"]["metadata"]}
    user = page["preferences"]
    return msgspec.json.encode({"image": image, "user": user, "categories": categories})


class Annotator:
    """Somebody at work, with a browser of their own."""

    def __init__(self, url: str, number: int, images: Sequence[int]) -> None:
        # Without TLS there is nothing to verify.
        self.client = httpx.Client(base_url=url, timeout=60, verify=False)
        self.name = f"annotator-{secrets.token_hex(4)}"
        self._images = images
        self._choice = random.Random(number)
        given = {"username": self.name, "password": f"{self.name}-password"}
        self.client.post("/api/user/register", json=given).raise_for_status()

    def load(self, image: int) -> tuple[float, dict[str, Any]]:
        """Load the page of an image; gives the seconds, too."""
        seconds, answer = _timed(self.client, "GET", f"/api/annotator/data/{image}")
        return seconds, msgspec.json.decode(answer.content)

    def save(self, body: bytes) -> float:
        """Save, and give the seconds."""
        headers = {"Content-Type": "application/json"}
        seconds, _ = _timed(
            self.client, "POST", "/api/annotator/data", content=body, headers=headers
        )
        return seconds

    def begin(self) -> None:
        """Draw the outlines of all images once."""
        for image in self._images:
            self.save(message(self.load(image)[1], 0, now_ms(), all_new=True))

    def work(self, times: Times, end: float) -> None:
        """Load and save until the end."""
        time.sleep(self._choice.uniform(0, 2 * PAUSE[1]))
        while time.monotonic() < end:
            seconds, page = self.load(self._choice.choice(self._images))
            times[LOAD].append(seconds)
            annotations = sum(len(one["annotations"]) for one in page["categories"])
            body = message(page, self._choice.randrange(annotations), now_ms())
            time.sleep(self._choice.uniform(*PAUSE))
            times[SAVE].append(self.save(body))
            time.sleep(self._choice.uniform(*PAUSE))


def now_ms() -> int:
    """Give the moment as the page writes it."""
    return time.time_ns() // 1_000_000


def _timed(
    client: httpx.Client, method: str, path: str, **more: Any
) -> tuple[float, httpx.Response]:
    started = time.perf_counter()
    answer = client.request(method, path, **more)
    seconds = time.perf_counter() - started
    answer.raise_for_status()
    return seconds, answer


@contextmanager
def _people(place: Place, count: int, annotations: int) -> Iterator[list[Annotator]]:
    with place.connect() as server:
        dataset = server.dataset(place.dataset)
        if not dataset.info.categories:
            dataset.change(categories=CATEGORIES)
            dataset = server.dataset(place.dataset)
        kinds = dataset.info.categories
        ids = [row.id for row in dataset.images(limit=count * IMAGES, order="id").images]
        made: list[int] = []
        people: list[Annotator] = []
        try:
            for image_id in ids:
                for one in range(annotations):
                    kind = kinds[one % len(kinds)]
                    drawn = server.annotations.create(image_id, kind, segmentation=[RING])
                    made.append(drawn.id)
            people += [Annotator(place.url, one, ids[one::count]) for one in range(count)]
            dataset.share([*dataset.info.users, *(person.name for person in people)])
            for person in people:
                person.begin()
            yield people
        finally:
            for person in people:
                person.client.close()
            if not place.database:  # it is not the bench's own
                dataset.share(dataset.info.users)
                for annotation_id in made:
                    server.annotations.delete(annotation_id)


def _small(client: httpx.Client, times: Times, end: float) -> None:
    while time.monotonic() < end:
        times[SMALL].append(_timed(client, "GET", "/api/user/")[0])
        time.sleep(SMALL_EVERY)


def _at_work(people: Sequence[Annotator], seconds: float) -> Times:
    times: Times = {name: [] for name in ROWS}
    end = time.monotonic() + seconds
    errors: list[BaseException] = []

    def kept(work: Any, *given: Any) -> None:
        try:
            work(*given)
        except BaseException as error:
            errors.append(error)

    jobs = [(one.work, times, end) for one in people] + [(_small, people[0].client, times, end)]
    threads = [threading.Thread(target=kept, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return times


def measure(place: Place, database: Database, options: argparse.Namespace) -> None:
    """Measure, and print the table."""
    say("drawing")
    with _people(place, options.annotators, options.annotations) as people:
        _at_work(people, WARM_SECONDS)
        say("at work")
        server, others = listeners(place.url), database.pids()
        used = cpu_seconds(server), cpu_seconds(others)
        times = _at_work(people, options.seconds)
        used = cpu_seconds(server) - used[0], cpu_seconds(others) - used[1]
    about = machine.describe()
    print(", ".join(f"{name} {value}" for name, value in about.items()), f"load {machine.load()}")
    print(
        f"\n{options.annotators} annotators, {options.annotations} annotations on each image, "
        f"{options.server or options.database}; milliseconds\n"
    )
    print("| request | number | p50 | p99 | longest |\n|---|---:|---:|---:|---:|")
    for name, values in times.items():
        ordered = sorted(1000 * one for one in values)
        p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        print(
            f"| {name} | {len(ordered)} | {statistics.median(ordered):.1f} | {p99:.1f} "
            f"| {ordered[-1]:.1f} |"
        )
    number = len(times[SAVE])
    print(
        f"\nProcessor time for a load and a save together: {1000 * used[0] / number:.1f} ms in "
        f"the server, {1000 * used[1] / number:.1f} ms in processes of the database."
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python3 -m bench.annotators",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--annotators", type=int, default=20)
    parser.add_argument("--annotations", type=int, default=20, help="on each image")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--database", choices=KINDS, default=KINDS[0])
    parser.add_argument("--server")
    parser.add_argument("--username", default="")
    parser.add_argument("--dataset", default="")
    options = parser.parse_args(arguments)
    if options.server:
        password = os.environ.get("COIR_PASSWORD", "")
        there = Place(options.server, options.username, password, options.dataset)
        measure(there, Database(), options)
        return 0
    with (
        open_database(options.database) as database,
        open_stage(options.annotators * IMAGES, database.url) as place,
    ):
        measure(place, database, options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
