from __future__ import annotations

from pathlib import Path

import pytest

from coir.errors import (
    AuthenticationFailed,
    CoirError,
    ConnectionFailed,
    DatasetNotFound,
    IncompleteUpload,
    InvalidRequest,
    PermissionDenied,
    ServerFailed,
)
from coir.uploads.choice import Choice, Chosen
from coir.uploads.course import IN_A_ROW, Course
from coir.uploads.report import Outcome

GONE = ConnectionFailed("gone")
BUSY = ServerFailed("busy", status=503)
REFUSED = InvalidRequest("no picture")


def chosen(count: int) -> Choice:
    """So many files."""
    return Choice(tuple(Chosen(f"{n:02}.jpg", Path(f"/x/{n:02}.jpg")) for n in range(count)), 2)


def run(course: Course, *errors: CoirError | None) -> list[str]:
    """What is sent when each file ends so, and the rest well."""
    ends, sent = list(errors), []
    while (one := course.next()) is not None:
        error = ends.pop(0) if ends else None
        sent.append(one.name)
        image_id = None if error else len(sent)
        progress = course.ended(Outcome(one.name, one.path, image_id, error))
        assert progress.done == len(sent)
        assert progress.last is not None
        assert progress.last.error is error
    return sent


def test_what_is_there_is_not_sent() -> None:
    """What is there by folder and file name is skipped; the same name elsewhere is not."""
    course = Course(chosen(4), {"01.jpg", "north/02.jpg", "03.jpg"})
    assert run(course) == ["00.jpg", "02.jpg"]
    report = course.report()
    assert report.whole
    assert (report.present, report.passed_over) == (("01.jpg", "03.jpg"), 2)
    assert [one.image_id for one in report.uploaded] == [1, 2]
    assert report.words() == ("2 uploaded, 2 were there, 2 passed over as hidden or no picture.")


def test_refused_files() -> None:
    """Files that are refused are told at the end, and the others go on."""
    course = Course(chosen(9), set())
    assert len(run(course, *[REFUSED] * 8)) == 9
    with pytest.raises(IncompleteUpload, match="8 of 9 files") as raised:
        course.report()
    report = raised.value.report
    assert (len(report.uploaded), len(report.failed), report.untried) == (1, 8, ())
    assert not report.whole


@pytest.mark.parametrize("error", [GONE, BUSY])
def test_a_server_that_is_gone(error: CoirError) -> None:
    """After a few files in a row that met no server, the others are not tried."""
    course = Course(chosen(20), set())
    assert len(run(course, None, *[error] * 20)) == 1 + IN_A_ROW
    with pytest.raises(IncompleteUpload) as raised:
        course.report()
    assert len(raised.value.report.untried) == 20 - 1 - IN_A_ROW
    assert f"{20 - 1 - IN_A_ROW} not tried" in raised.value.report.words()


def test_a_server_that_comes_back() -> None:
    """A connection that breaks now and then ends nothing."""
    course = Course(chosen(20), set())
    assert len(run(course, *([GONE] * (IN_A_ROW - 1) + [None]) * 4)) == 20


@pytest.mark.parametrize("kind", [AuthenticationFailed, DatasetNotFound, PermissionDenied])
def test_a_session_that_ended(kind: type[CoirError]) -> None:
    """Without permission the others are not tried at all."""
    course = Course(chosen(20), set())
    assert len(run(course, kind("who?"))) == 1
