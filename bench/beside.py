"""What pictures and imports take on a server that runs already: coir's own, or the original.

    COIR_PASSWORD=… python3 -m bench.beside --server URL --username NAME

Both are measured the same way, one after the other: a dataset is made with a picture of 12
megapixels and 100 small ones, which are uploaded; the large one is asked for as in `bench.server`,
and a COCO file as that of `bench.imports`, only smaller, is imported. The dataset is deleted at
the end. It needs an administrator, or anybody who may make datasets.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.cost import listeners
from bench.imports import MEGABYTE, file_of, sent
from bench.place import Place, signed_in
from bench.server import LARGE, SMALL, Row, cached, picture, show
from bench.talk import say
from coir.client import Dataset, Server

IMAGES = 100


@contextmanager
def _dataset(server: Server) -> Iterator[Dataset]:
    made = server.create_dataset(f"bench-{secrets.token_hex(4)}")
    try:
        yield made
    finally:
        made.delete()


def _pictures(place: Place, dataset: Dataset, folder: Path) -> Iterator[Row]:
    large = folder / "large.jpg"
    picture(LARGE, large)
    with signed_in(place) as client:
        yield from cached(client, dataset.upload(large), listeners(place.url))


def _imports(place: Place, dataset: Dataset, folder: Path, size: float) -> Iterator[Row]:
    names = [f"{number:03}.jpg" for number in range(IMAGES)]
    picture(SMALL, folder / "small.jpg")
    content = (folder / "small.jpg").read_bytes()
    for number, name in enumerate(names):
        dataset.upload(content + number.to_bytes(4, "big"), name=name)
    file = folder / "large.json"
    count, _ = file_of(int(size * MEGABYTE), file, names)
    with signed_in(place) as client:
        _, seconds, log = sent(client, dataset.info.id, file)
    landed = len(dataset.coco().annotations)
    if landed != count:
        raise SystemExit(f"bench: {landed} of {count} annotations were imported: {log[-3:]}")
    yield Row(f"import of {size:g} MB, {count:,} annotations", "-", f"{seconds:.1f} s")
    yield Row("annotations a second", "-", f"{count / seconds:,.0f}")


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python3 -m bench.beside",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--server", metavar="URL", required=True)
    parser.add_argument("--username", required=True)
    parser.add_argument("--megabytes", type=float, default=1.0)
    options = parser.parse_args(arguments)
    place = Place(options.server, options.username, os.environ.get("COIR_PASSWORD", ""), "")
    with tempfile.TemporaryDirectory(prefix="coir-bench-") as folder, place.connect() as server:
        rows: list[Row] = []
        with _dataset(server) as dataset:
            say("pictures")
            rows += _pictures(place, dataset, Path(folder))
            say("importing")
            rows += _imports(place, dataset, Path(folder), options.megabytes)
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
