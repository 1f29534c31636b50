"""`coir export`: what a mirror holds, as COCO, Parquet or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coir.cli import options
from coir.cli.output import destination, ending_in_order, writable
from coir.cli.talk import voice
from coir.cli.wanted import condition
from coir.errors import InvalidRequest
from coir.mirror import Mirror
from coir.mirror.export import FileNames, TableName
from coir.mirror.formats import FORMATS
from coir.mirror.shape import Segmentation
from coir.scan import Filter

__all__ = ["MirrorFolder", "export"]

MirrorFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder of the mirror.", show_default=False)
]
Out = Annotated[
    Path,
    typer.Argument(
        metavar="OUT",
        help="The file to write, which appears when it is whole; - is stdout.",
        show_default=False,
    ),
]
FormatName = Annotated[
    str,
    options.option(
        options.OUTPUT,
        "--format",
        "-f",
        metavar="|".join(FORMATS),
        show_default=True,
        help="How to write.",
    ),
]
Table = Annotated[
    TableName,
    options.option(
        options.OUTPUT, "--table", show_default=True, help="Of parquet and csv: what the rows are."
    ),
]
SegmentationForm = Annotated[
    Segmentation,
    options.option(
        options.OUTPUT,
        "--segmentation",
        show_default=True,
        help="Outlines as polygons, or as masks (run-length encoded).",
    ),
]
Names = Annotated[
    FileNames,
    options.option(
        options.OUTPUT,
        "--file-names",
        show_default=True,
        help="Files by their path below DIR/images, or by their file name alone.",
    ),
]
WithEmptyImages = Annotated[
    bool | None,
    options.option(
        options.IMAGES,
        "--with-empty-images/--no-empty-images",
        help="Also those without a wanted annotation, or not; without is the default, but with "
        "--not-annotated.",
    ),
]
Categories = Annotated[
    list[str] | None,
    options.option(
        options.IMAGES,
        "--category",
        "-c",
        metavar="NAME",
        help="Only annotations of this category, by name or id, and only images that have one; "
        "may be given several times, and means any of them.",
    ),
]


def export(
    mirror: MirrorFolder,
    out: Out,
    annotated: options.Annotated_ = None,
    category: Categories = None,
    with_empty_images: WithEmptyImages = None,
    folder: options.Folder = None,
    name_contains: options.NameContains = None,
    name_startswith: options.NameStartswith = None,
    after_id: options.AfterId = 0,
    where: options.Where = None,
    format: FormatName = "coco",  # noqa: A002 - the option
    table: Table = "annotations",
    segmentation: SegmentationForm = "polygon",
    file_names: Names = "path",
    quiet: options.Quiet = False,
    json_log: options.JsonLog = False,
) -> None:
    """Write a mirror as COCO, Parquet or CSV, all of it or a part.

    Nothing is asked of the server. What was left out, and why, is told on stderr.
    """
    voice.configure(json=json_log, quiet=quiet)
    ending_in_order()
    path = None if str(out) == "-" else out
    writable(path, "OUT")
    if path is not None and path.resolve() == (mirror / "coir.db").resolve():
        raise InvalidRequest("That is the mirror's database.", hint="Give another file.")
    wanted = Filter(
        annotated=annotated,
        categories=tuple(category or ()),
        folder=folder,
        name_contains=name_contains,
        name_startswith=name_startswith,
        after_id=after_id,
        conditions=tuple(map(condition, where or ())),
    )
    with (
        Mirror(mirror, create=False) as held,
        voice.counting(f"Exporting {mirror}") as watch,
        destination(path, at_once=False) as file,
    ):
        report = held.export(
            format,
            file,
            wanted,
            with_empty_images=with_empty_images,
            table=table,
            segmentation=segmentation,
            file_names=file_names,
            watch=watch,
        )
    voice.say(report.words(), export=report)
