"""What people do between a sync's look at the server and its fetching."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import coir
from coir import InvalidRequest, UnexpectedAnswer
from coir.mirror import Options
from scan.proxy import Proxy, untouched

from .world import contents, world


def test_what_is_deleted_while_it_is_fetched(tmp_path: Path) -> None:
    """An image that was deleted behind the listing is no trouble; the next sync removes it."""
    with world(tmp_path) as stage:
        ids = [stage.upload() for _ in range(3)]
        for image_id in ids:
            stage.annotate(image_id, stage.own_categories[0])
        deleted: list[int] = []

        def watch(phase: str, *_: Any) -> None:
            if phase == "annotations" and not deleted:
                deleted.append(ids[2])
                stage.delete("image", ids[2])

        with stage.mirror("m") as mirror, stage.reach(plain=True) as dataset:
            report = mirror.sync(dataset, watch=watch)
            assert deleted
            assert (report.counts.images_failed, report.counts.files_failed) == (0, 0)
            assert mirror.sync(dataset).counts.images_removed == 1
            with stage.mirror("now") as now:
                now.sync(dataset)
                assert contents(mirror) == contents(now)


def test_a_sync_while_a_plan_is_made(tmp_path: Path) -> None:
    """What the plan looked at is not what the mirror is after the other sync: it is refused."""
    with world(tmp_path) as stage:
        ids = [stage.upload() for _ in range(3)]
        synced: list[int] = []
        with (
            stage.mirror("m") as mirror,
            stage.mirror("m") as other,
            stage.reach(plain=True) as dataset,
        ):
            mirror.sync(dataset)

            def watch(*_: Any) -> None:
                if not synced:
                    synced.append(other.sync(dataset).sync)

            stage.delete("image", ids[2])
            plan = tmp_path / "plan.jsonl"
            mirror.write_plan(plan, dataset, watch=watch)
            assert synced == [2]
            with pytest.raises(InvalidRequest, match="made after sync 1 of the mirror"):
                mirror.apply(plan, dataset)


def test_what_came_before_a_question_that_fails(tmp_path: Path) -> None:
    """Whether an image is gone cannot be found out: the sync ends, and what came is kept."""
    with world(tmp_path) as stage:
        ids = [stage.upload() for _ in range(4)]
        for image_id in ids:
            stage.annotate(image_id, stage.own_categories[0])

        def fail(path: str, params: dict[str, str], body: bytes) -> bytes | int:
            if path == f"/api/image/{ids[2]}/coco":
                return 500
            asked = params.get("id__gte"), params.get("id__lt")
            if asked == (str(ids[2]), str(ids[2] + 1)) or path.endswith(f"/data/{ids[2]}"):
                return 404
            return body

        with (
            Proxy(stage.running.url, tamper=fail) as proxy,
            coir.connect(proxy.url, username="admin", password="admin-pw") as server,
            stage.mirror("m") as mirror,
        ):
            dataset = server.dataset(stage.dataset)
            with pytest.raises(UnexpectedAnswer):
                mirror.sync(dataset, options=Options(images="none", concurrency=1))
            assert [len(mirror.annotations(one)) for one in ids] == [1, 1, 0, 0]
            proxy.tamper = untouched
            mirror.sync(dataset)
            assert [len(mirror.annotations(one)) for one in ids] == [1, 1, 1, 1]


def test_a_category_that_is_added_while_one_is_connected(tmp_path: Path) -> None:
    """A handle that is held for long does not hide what the dataset lists by now."""
    with world(tmp_path) as stage:
        stage.upload()
        with stage.mirror("m") as mirror, stage.reach() as dataset:
            mirror.sync(dataset)
            names = [one.name for one in mirror.categories()]
            dataset.change(categories=[*names, "owl"])
            mirror.sync(dataset)
            assert [one.name for one in mirror.categories()] == [*names, "owl"]
