"""The import: annotations of a COCO file, written in one transaction or not at all.

First everything is read, matched, decided and staged (`_plan`), in small steps; then it is moved
to where it is seen. Killed at any point, it has shown nothing, or all.
"""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Text, bindparam, cast, false, select, true, update
from sqlalchemy.exc import IntegrityError

from coir.coco import (
    CocoError,
    Content,
    Document,
    Label,
    Marked,
    Place,
    content,
    digest,
    match,
    read,
)
from coir.server import counters
from coir.server.access import visible_categories
from coir.server.answers import Refusal, refused
from coir.server.category import checked_name, color, create, fields_of, taken
from coir.server.folders import logical_directory
from coir.server.jobs.job import Job, Run, Work
from coir.server.jobs.workplace import Workplace
from coir.server.sessions import Caller
from coir.server.staging import Stage
from coir.server.staging import sweep as sweep_stage
from coir.server.store.tables import annotations, categories, datasets, images, tasks, users

KIND = "import"
GROUP = "Annotation Import"
# Lines in the log for what was left out; what comes after them is counted.
MOST_LINES = 1000
# After this long nobody writes a file any more that has no name yet: an upload takes minutes.
UPLOAD_SECONDS = 24 * 3600
# Between two notes of how far it is; each is a transaction.
PROGRESS_SECONDS = 1.0

_encode = msgspec.json.Encoder().encode
# The annotations of an image by their shapes' digests.
Shapes = dict[bytes, list[int]]


@dataclass
class Plan:
    """What is to be written."""

    # Category ids of the file to those here; to a label where the category is to be made.
    categories: dict[int, int | Label] = field(default_factory=dict)
    found: dict[int, Place] = field(default_factory=dict)
    restored: list[int] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    present: int = 0
    new: int = 0
    left_out: int = 0


def work(place: Workplace, run: Run) -> Work:
    """What a job of this kind does."""
    assert run.dataset_id is not None  # noqa: S101 - an import is begun with a dataset
    with place.store.read() as connection:
        asked = select(users).where(users.c.id == run.creator_id)
        user = connection.execute(asked).one()
    caller = Caller(user.id, user.username, user.is_admin)
    file = place.imports / run.arguments["file"]
    return Import(place, run.dataset_id, caller, file, run.arguments["dry_run"])


def sweep(place: Workplace) -> None:
    """Remove the files and the staged annotations of imports that will not go on."""
    sweep_stage(place.store)
    if not any(place.imports.iterdir()):
        return
    with place.store.write() as connection:  # a file gets its name in the job's transaction
        asked = select(tasks.c.arguments).where(tasks.c.kind == KIND, tasks.c.completed == false())
        wanted = {arguments["file"] for arguments in connection.execute(asked).scalars()}
        for file in place.imports.iterdir():
            if file.name.startswith("."):
                gone = time.time() - file.stat().st_mtime > UPLOAD_SECONDS
            else:
                gone = file.name not in wanted
            if gone:
                file.unlink()


@dataclass(frozen=True, slots=True)
class Import:
    """An import into one dataset, as the work of a job; ``file`` was read once already."""

    place: Workplace
    dataset_id: int
    caller: Caller
    file: Path
    dry_run: bool

    def __call__(self, job: Job) -> None:
        """Do it, and report in the log what matched, what did not, and why."""
        stage = Stage(job)
        stage.clear()
        job.info("Beginning Import")
        report = Report(job)
        try:
            document = read(memoryview(mapped(self.file)))
            with self.place.store.read() as connection:
                dataset = self._dataset(connection)
                if dataset is not None:
                    plan = self._plan(connection, dataset, document, report, stage)
            if dataset is None:
                job.error("The dataset is not there any more; nothing was written.")
                return
            stage.flush(90.0)
            report.end(plan, len(document), dry_run=self.dry_run)
            if not self.dry_run:
                self._write(plan, stage, job)
        except IntegrityError:
            _changed(job, "an image was removed for good")
        except Refusal as refusal:
            _changed(job, _why(refusal))
        except OSError as error:
            job.error(f"The file cannot be read ({error.strerror}): send it again.")

    def _dataset(self, connection: Connection) -> Row[Any] | None:
        asked = select(datasets).where(
            datasets.c.id == self.dataset_id, datasets.c.deleted == false()
        )
        return connection.execute(asked).first()

    def _plan(
        self,
        connection: Connection,
        dataset: Row[Any],
        document: Document,
        report: "Report",
        stage: Stage,
    ) -> Plan:
        job, plan = report.job, Plan()
        job.info(
            f"Importing {len(document.categories)} categories, {len(document.images)} images, "
            f"and {len(document)} annotations"
        )
        job.info("===== Importing Categories =====")
        self._match_categories(connection, dataset, document, plan, report)
        job.info("===== Loading Images =====")
        places = _places(connection, dataset) if document.images else {}
        matched = match(document.images, places)
        plan.found = matched.found
        for line in matched.missing:
            report.warning(line)
        for line in matched.ambiguous:
            report.error(line)
        if document.images:
            job.info(
                f"{len(matched.found)} of {len(document.images)} images found, "
                f"{matched.by_name} of them by their file name alone"
            )
        job.info("===== Import Annotations =====")
        there = _there(connection, dataset.id, {place.id for place in plan.found.values()})
        numbers = {file_id: number for number, file_id in enumerate(plan.categories)}
        for number, marked in enumerate(document.annotations()):
            progress = 90.0 * number / len(document)
            if number % 1000 == 0:
                self._note(job, report, progress)
            row = self._place(marked, there, plan, report)
            if row is not None:
                plan.new += 1
                if not self.dry_run:
                    row["category"] = numbers[row["category"]]
                    stage.add(_completed(row, dataset), progress)
        return plan

    def _note(self, job: Job, report: "Report", progress: float) -> None:
        job.check()
        if time.monotonic() - report.looked > PROGRESS_SECONDS:
            report.looked = time.monotonic()
            job.note(progress)

    def _match_categories(
        self,
        connection: Connection,
        dataset: Row[Any],
        document: Document,
        plan: Plan,
        report: "Report",
    ) -> None:
        """By name, of those that the caller may see.

        The dataset's before the caller's own before others', case apart last.
        """
        asked = select(categories.c.id, categories.c.name, categories.c.creator_id)
        seen = visible_categories(connection, self.caller)
        known = connection.execute(asked.where(seen)).all()
        for label in document.categories:
            same = [row for row in known if row.name.casefold() == label.name.casefold()]
            if same:
                best = min(
                    same,
                    key=lambda row: (
                        row.name != label.name,
                        row.id not in dataset.categories,
                        row.creator_id != self.caller.id,
                        row.id,
                    ),
                )
                plan.categories[label.id] = best.id
                report.job.info(f"{label.name} category found")
                continue
            try:
                _fields(label)
                if taken(connection, self.caller.id, checked_name(label.name)):
                    raise refused("it is deleted; restore it, or delete it for good, first")
            except Refusal as refusal:
                report.error(f"The category {label.name[:80]!r} cannot be made: {_why(refusal)}")
                continue
            plan.categories[label.id] = label
            report.warning(f"{label.name} category not found (creating a new one)")

    def _place(
        self,
        marked: Marked,
        there: Mapping[int, Shapes],
        plan: Plan,
        report: "Report",
    ) -> dict[str, Any] | None:
        """Decide what becomes of one annotation: its row if it is new."""
        place = plan.found.get(marked.image_id)
        category = (
            plan.categories.get(marked.category_id) if marked.category_id is not None else None
        )
        name = f"annotation {marked.id}"
        if place is None or category is None:
            plan.left_out += 1
            # The original's wording, without its misspelling, which no program reads.
            what = "image" if place is None else "category"
            report.warning(f"Could not find {what} associated with {name}")
            return None
        try:
            made = content(marked, place.width, place.height)
        except CocoError as error:
            plan.left_out += 1
            report.warning(f"Left out {name}: {error}")
            return None
        if isinstance(category, int) and place.id in there:
            known = there[place.id].get(digest(category, made.segmentation, made.keypoints))
            if known:
                annotation_id = known.pop()
                if annotation_id < 0:  # a deleted one
                    plan.restored.append(-annotation_id)
                    plan.touched.add(place.id)
                else:
                    plan.present += 1
                return None
        plan.touched.add(place.id)
        return _row(marked, made, place.id)

    def _write(self, plan: Plan, stage: Stage, job: Job) -> None:
        """Write the plan, and with it the end of the job."""
        job.check()
        with job.write(100.0, completed=True) as connection:
            dataset = self._dataset(connection)
            if dataset is None:
                job.error("The dataset was deleted meanwhile; nothing was written.")
                return
            self._check(connection, plan)
            ids = self._make_categories(connection, plan)
            used = [one for one in dict.fromkeys(ids.values()) if one not in dataset.categories]
            if used:
                connection.execute(
                    update(datasets)
                    .where(datasets.c.id == dataset.id)
                    .values(categories=dataset.categories + used)
                )
            numbered = dict(enumerate(ids[file_id] for file_id in plan.categories))
            stage.move(connection, dataset.id, self.caller.id, numbered)
            gone = update(annotations).where(annotations.c.id == bindparam("one"))
            if plan.restored:
                connection.execute(
                    gone.values(deleted=False, deleted_date=None),
                    [{"one": annotation_id} for annotation_id in plan.restored],
                )
            counters.refresh_all(connection, sorted(plan.touched))

    def _check(self, connection: Connection, plan: Plan) -> None:
        """Refuse when an image or a category of the plan was deleted since it was made."""
        deleted = select(images.c.id).where(
            images.c.dataset_id == self.dataset_id, images.c.deleted == true()
        )
        known = {one for one in plan.categories.values() if isinstance(one, int)}
        living = select(categories.c.id).where(
            categories.c.id.in_(known), categories.c.deleted == false()
        )
        if not plan.touched.isdisjoint(connection.execute(deleted).scalars()):
            raise refused("an image was deleted")
        if known.difference(connection.execute(living).scalars()):
            raise refused("a category was deleted")

    def _make_categories(self, connection: Connection, plan: Plan) -> dict[int, int]:
        """The ids here of the file's categories, those that are new made."""
        ids, made = {}, {}
        for file_id, category in plan.categories.items():
            if isinstance(category, int):
                ids[file_id] = category
                continue
            folded = category.name.casefold()
            if folded not in made:
                row = create(connection, self.caller, category.name, **_fields(category))
                made[folded] = row.id
            ids[file_id] = made[folded]
        return ids


class Report:
    """The log of an import: of what was left out a thousand lines, then a number."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.looked = time.monotonic()
        self._lines = 0

    def warning(self, line: str) -> None:
        """Log and count something that was left out."""
        self._lines += 1
        if self._lines <= MOST_LINES:
            self.job.warning(line)
        else:
            self.job.warnings += 1

    def error(self, line: str) -> None:
        """Log and count something that could not be decided."""
        self._lines += 1
        if self._lines <= MOST_LINES:
            self.job.error(line)
        else:
            self.job.errors += 1

    def end(self, plan: Plan, number: int, *, dry_run: bool) -> None:
        """Say how it went."""
        if self._lines > MOST_LINES:
            self.job.info(f"… and {self._lines - MOST_LINES} more of the kind")
        if number:
            self.job.info(
                f"{plan.new} annotations new, {plan.present} there already, "
                f"{len(plan.restored)} restored, {plan.left_out} left out"
            )
        if dry_run:
            self.job.info("A dry run: nothing was written.")


def _fields(label: Label) -> dict[str, Any]:
    """The fields of a new category. Refuses what no category can have."""
    given = {
        "supercategory": label.supercategory,
        "color": label.color,
        "metadata": label.metadata,
        "keypoint_labels": label.keypoints,
        "keypoint_edges": label.skeleton,
        "keypoint_colors": label.keypoint_colors,
    }
    return fields_of(given)


def _why(refusal: Refusal) -> str:
    errors = refusal.body.get("errors")
    return "; ".join(errors.values()) if errors else str(refusal.body["message"])


def _changed(job: Job, why: str) -> None:
    job.error(f"The dataset changed meanwhile ({why}); nothing was written. Start again.")


def _places(connection: Connection, dataset: Row[Any]) -> dict[str, Place]:
    root = logical_directory(dataset.name)
    asked = select(images.c.path, images.c.id, images.c.width, images.c.height)
    rows = connection.execute(
        asked.where(images.c.dataset_id == dataset.id, images.c.deleted == false())
    )
    return {path.removeprefix(root): Place(*more) for path, *more in rows}


def _there(connection: Connection, dataset_id: int, image_ids: set[int]) -> dict[int, Shapes]:
    """The annotations on these images by image and shape; those deleted with negative ids, first.

    So that a living one is taken as present before a deleted one is restored.
    """
    found: dict[int, Shapes] = defaultdict(lambda: defaultdict(list))
    texts = [cast(annotations.c[name], Text) for name in ("segmentation", "keypoints")]
    asked = (
        select(
            annotations.c.id,
            annotations.c.image_id,
            annotations.c.category_id,
            annotations.c.deleted,
            *texts,
        )
        .where(annotations.c.dataset_id == dataset_id)
        .order_by(annotations.c.deleted.desc())
    )
    decode = msgspec.json.decode
    rows = connection.execute(asked, execution_options={"yield_per": 1000})
    for annotation_id, image_id, category_id, deleted, segmentation, keypoints in rows:
        if image_id in image_ids:
            shape = digest(category_id, decode(segmentation), decode(keypoints))
            found[image_id][shape].append(-annotation_id if deleted else annotation_id)
    return found


def _row(marked: Marked, made: Content, image_id: int) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "category": marked.category_id,
        "area": made.area,
        "iscrowd": bool(marked.iscrowd),
        "isbbox": made.isbbox,
        "color": marked.color or color(),
        "segmentation": _encode(made.segmentation).decode(),
        "bbox": _encode(made.bbox).decode(),
        "keypoints": _encode(made.keypoints).decode(),
        "metadata": marked.metadata or {},
    }


def _completed(row: dict[str, Any], dataset: Row[Any]) -> dict[str, Any]:
    metadata = dataset.default_annotation_metadata | row["metadata"]
    row["metadata"] = _encode(metadata).decode() if metadata else "{}"
    return row


def mapped(file: Path) -> mmap:
    """The bytes of a file, on disk and not in memory. Raises ValueError when there are none."""
    with file.open("rb") as opened:
        return mmap(opened.fileno(), 0, access=ACCESS_READ)
