"""Says of each image whether a mirror and its server, or the mirror and itself, agree.

What is found on both sides is compared by `outcome.py`, which is pure; here it is looked for, a few
images at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import msgspec

from coir.client import Dataset
from coir.client.crew import each
from coir.client.operations import Images
from coir.errors import InvalidRequest, PermissionDenied, ServerFailed
from coir.mirror.annotations import Annotations
from coir.mirror.counts import Counts
from coir.mirror.holdings import Due, Holdings
from coir.mirror.options import box
from coir.mirror.outcome import Evidence, Outcome, Tally, judged, paired
from coir.mirror.reading import FIELDS
from coir.mirror.record import AnnotationRecord, image_record
from coir.mirror.report import Watch
from coir.mirror.settings import Settings
from coir.mirror.store import Store
from coir.mirror.trash import IMAGES
from coir.mirror.tree import Tree, hash_of
from coir.scan import Certificate, Scan

__all__ = ["Verification"]

# Images that are looked into together.
TOGETHER = 200
# Of so many the annotations come in one answer, where the server does that.
BULK = 50


@dataclass
class Verification:
    """Verifies a mirror: iterate it, once; then ``tally`` counts, and says the verdict.

    Args:
        store: what the mirror holds.
        tree: its folder.
        settings: what it is of.
        dataset: what it is compared with; None compares it with itself.
        deep: whether to compare all annotations, and read all files.
        concurrency: requests under way at the same time, at most.
        watch: is called with a phase, how much is done, and of how much.

    Raises:
        IncompleteScan: the listing could not be shown to be whole.
        CoirError: the server cannot be reached, or fails.

    """

    store: Store
    tree: Tree
    settings: Settings
    dataset: Dataset | None = None
    deep: bool = False
    concurrency: int = 4
    watch: Watch | None = None
    tally: Tally = field(default_factory=Tally)
    certificate: Certificate | None = None

    def __post_init__(self) -> None:
        self.holdings = Holdings(self.store)

    @property
    def verdict(self) -> str:
        """Whether all is ``same``, something ``differs``, or could not be found out: ``error``."""
        return self.tally.verdict

    def __iter__(self) -> Iterator[Outcome]:
        """Give what was found of each image, ascending by id."""
        for done, evidence in enumerate(self._evidence(), 1):
            outcome = judged(evidence)
            self.tally.count(outcome.sign)
            if self.watch is not None:
                self.watch("verifying", done, None)
            yield outcome

    def _evidence(self) -> Iterator[Evidence]:
        if self.dataset is None:
            here = self.store.images()
            yield from self._looked_into(Evidence(one, None, offline=True) for one in here)
            return
        fields = FIELDS if "fields" in self.dataset.server.info.features else ()
        scan = Scan(self.dataset, self.settings.where, fields=fields, concurrency=self.concurrency)
        with scan:
            pairs = paired(self.store.images(), map(image_record, scan))
            yield from self._looked_into(Evidence(*pair) for pair in pairs)
        self.certificate = scan.certificate

    def _looked_into(self, found: Iterator[Evidence]) -> Iterator[Evidence]:
        while together := list(islice(found, TOGETHER)):
            known = {one.id: self._with_flaws(one) for one in together if one.here is not None}
            asks = [
                (evidence, image)
                for evidence, image in known.values()
                if image is not None and (evidence.there is not None or evidence.offline)
            ]
            looked = {
                end.item[0].id: end.result for end in each(self._look, asks, self.concurrency)
            }
            if self.deep and self.dataset is not None:
                looked |= self._compared(looked)
            for one in together:
                yield looked.get(one.id) or (known[one.id][0] if one.id in known else one)

    def _compared(self, looked: dict[int, Evidence]) -> dict[int, Evidence]:
        """Compare annotations of images with the server's."""
        if self.dataset is None:
            return {}
        in_bulk = "coco" in self.dataset.server.info.features
        asked = Annotations(self.dataset, in_bulk, self.store, sync=0, counts=Counts())
        ids = sorted(looked)
        size = BULK if in_bulk else 1
        groups = [ids[at : at + size] for at in range(0, len(ids), size)]
        compared: dict[int, Evidence] = {}
        for end in each(asked.fetched, groups, self.concurrency):
            if isinstance(end.error, InvalidRequest | PermissionDenied | ServerFailed):
                message = end.error.message
                compared |= {one: replace(looked[one], error=message) for one in end.item}
                continue
            wanted = set(end.item)
            there = {one.id: one for one in end.result.records if one.image_id in wanted}
            here = {one.id: one for image_id in end.item for one in self._held(image_id)}
            differing = {
                one.image_id
                for number in there.keys() | here.keys()
                if there.get(number) != here.get(number)
                for one in (there.get(number), here.get(number))
                if one is not None
            }
            compared |= {
                one: replace(looked[one], annotations_differ=one in differing) for one in end.item
            }
        return compared

    def _with_flaws(self, evidence: Evidence) -> tuple[Evidence, Due | None]:
        """Add what the database says is not done yet; and what it says of the file."""
        asked = (
            "SELECT annotations_due, file_due, annotations_trouble, file_trouble "
            "FROM images WHERE id = ?"
        )
        rows = list(self.store.database.rows(asked, (evidence.id,)))
        if not rows:
            return evidence, None  # a sync removed it meanwhile
        annotations_due, file_due, *troubles = rows[0]
        flaws = (
            *(["annotations due"] if annotations_due else []),
            *(["file due"] if file_due else []),
        )
        due = zip((annotations_due, file_due), troubles, strict=True)
        error = " ".join(words for is_due, words in due if is_due and words)
        return replace(evidence, flaws=flaws, error=error), self.holdings.one(evidence.id)

    def _held(self, image_id: int) -> list[AnnotationRecord]:
        asked = "SELECT body FROM annotations WHERE image_id = ?"
        rows = self.store.database.rows(asked, (image_id,))
        return [msgspec.json.decode(text, type=AnnotationRecord) for (text,) in rows]

    # -- one image, in a thread of its own ----------------------------------------------

    def _look(self, ask: tuple[Evidence, Due]) -> Evidence:
        evidence, image = ask
        try:
            evidence = replace(evidence, flaws=(*evidence.flaws, *self._file(image)))
            if self.deep and self.dataset is not None:
                evidence = replace(evidence, file_differs=self._differs_there(image))
        except (InvalidRequest, PermissionDenied, ServerFailed) as error:
            return replace(evidence, error=error.message)
        except OSError as error:
            return replace(evidence, error=f"Its file cannot be read: {error.strerror}.")
        return evidence

    def _file(self, image: Due) -> list[str]:
        held = image.file
        if held is None:
            return []  # where it should be there it is due
        found = self.tree.file(f"{IMAGES}/{held.place}")
        if found is None:
            return ["file missing"]
        if found.st_size != held.size:
            return ["file size"]
        if self.deep:
            with self.tree.open(f"{IMAGES}/{held.place}") as content:
                return [] if hash_of(content) == held.sha256 else ["file hash"]
        return []

    def _differs_there(self, image: Due) -> bool:
        """Ask after the file: by its ETag, or else by its bytes."""
        if image.file is None or self.dataset is None:
            return False
        images = Images(self.dataset.transport)
        etag = image.file.etag
        if etag is not None and images.etag(image.image_id) == etag:
            return False
        digest, size = _Digest(), box(self.settings.images)
        images.receive(
            image.image_id,
            digest,
            original=not size,
            width=size.get("width"),
            height=size.get("height"),
        )
        return digest.hexdigest() != image.file.sha256


class _Digest:
    """Takes the body of an answer, and keeps its hash only."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def seek(self, offset: int, /) -> int:
        return offset

    def truncate(self) -> int:
        self._hash = hashlib.sha256()
        return 0

    def write(self, piece: bytes, /) -> int:
        self._hash.update(piece)
        return len(piece)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
