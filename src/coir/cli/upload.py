"""`coir upload`: files and folders into a dataset, without those that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coir.cli import options
from coir.cli.access import Access, open_server, reaching
from coir.cli.talk import Counter, voice
from coir.errors import IncompleteUpload
from coir.uploads import UploadPhase, UploadProgress, UploadReport
from coir.uploads import upload as upload_files
from coir.uploads.report import Watcher

__all__ = ["upload"]


@reaching
def upload(
    dataset: options.DatasetName,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES", help="Files and folders.", show_default=False),
    ],
    access: Access,
    into: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            show_default=False,
            help="Put everything below this folder of the dataset.",
        ),
    ] = "",
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="Files under way at the same time, at most.")
    ] = 4,
    quiet: options.Quiet = False,
    json_log: options.JsonLog = False,
) -> None:
    """Upload files and folders, without those that are there.

    A file goes under its own name. Of a folder go the pictures below it (gif, png, jpg, jpeg,
    bmp, tif, tiff), with the paths they have in that folder; what is hidden is passed over.

    A file is there when the dataset has an image in the same folder with the same file name;
    what the pictures show is not compared. After an interruption, repeat the command: it goes
    on with what is missing.

    A file that the server refuses is told, and the others go on; the exit code is then 11.
    """
    voice.configure(json=json_log, quiet=quiet)
    with open_server(access) as connection, voice.counting(f"Uploading to {dataset}") as count:
        place = connection.dataset(dataset)
        try:
            report = upload_files(
                place, files, into=into, concurrency=concurrency, watch=_watcher(count)
            )
        except IncompleteUpload as error:
            _say(error.report)
            raise
    _say(report)


def _say(report: UploadReport) -> None:
    voice.say(
        report.words(),
        uploaded=len(report.uploaded),
        present=len(report.present),
        failed=len(report.failed),
        untried=len(report.untried),
    )


def _watcher(count: Counter | None) -> Watcher:
    def watch(now: UploadProgress) -> None:
        if count is not None:
            count(now.phase.value, now.done, now.total)
        if now.phase is UploadPhase.SEND and now.last is not None and now.last.error is not None:
            voice.warn(f"{now.last.path}: {now.last.error.message}", file=str(now.last.path))

    return watch
