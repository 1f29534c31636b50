"""`coir sync`: a local copy of a dataset, made like its server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from coir.cli import amounts, options
from coir.cli.access import Access, reaching
from coir.cli.output import ending_in_order, writable
from coir.cli.talk import voice
from coir.cli.task import Task
from coir.cli.wanted import Wanted, filtering
from coir.errors import InvalidRequest
from coir.mirror import Limits, MaxDelete, Options
from coir.scan import Filter

__all__ = ["sync"]

KEEP, SAFETY, WHEN = "What to keep", "What may happen", "When, and what else"
LIMITS = Limits()

Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="[DATASET] DIR",
        help="The dataset's name or id, and the folder; the folder alone for a mirror that exists.",
        show_default=False,
    ),
]
ImagesMode = Annotated[
    str | None,
    typer.Option(
        "--images",
        metavar="original|none|WxH",
        rich_help_panel=KEEP,
        show_default=False,
        help="Which files to keep: as they are, none, or made to fit a size in pixels; by default "
        "as before, at first original.",
    ),
]
AnnotationsOption = Annotated[
    Literal["auto", "full", "none"],
    typer.Option(
        "--annotations",
        rich_help_panel=KEEP,
        help="Fetch them of images that may have changed, of all, or of none.",
    ),
]
Quick = Annotated[
    bool,
    typer.Option("--quick", rich_help_panel=KEEP, help="Look for new and deleted images only."),
]
Recheck = Annotated[
    float | None,
    typer.Option(
        "--recheck",
        metavar="PART",
        parser=amounts.part,
        rich_help_panel=KEEP,
        show_default=False,
        help="Look again into the annotations of this part of the images, such as 5%, the longest "
        "unseen first; by default as many as an eighth of the listing's time allows.",
    ),
]
CocoFile = Annotated[
    bool,
    typer.Option(
        "--coco",
        rich_help_panel=KEEP,
        help="Write annotations.json, a COCO file, into the folder when something changed.",
    ),
]
MaxDeleteOption = Annotated[
    MaxDelete | None,
    typer.Option(
        "--max-delete",
        metavar="N|P%",
        parser=amounts.max_delete,
        rich_help_panel=SAFETY,
        show_default=str(LIMITS.max_delete),
        help="Stop before more images than this are removed, or get another file name or path.",
    ),
]
AllowEmpty = Annotated[
    bool,
    typer.Option(
        "--allow-empty",
        rich_help_panel=SAFETY,
        help="Go on when the server lists no image any more.",
    ),
]
Moved = Annotated[
    bool,
    typer.Option(
        "--moved",
        rich_help_panel=SAFETY,
        help="The server is the same one at another address; needed once.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", rich_help_panel=SAFETY, help="Say what would be done, and do it not."
    ),
]
PlanOut = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        rich_help_panel=SAFETY,
        show_default=False,
        help="As --dry-run, and write there what would be done, as JSON lines.",
    ),
]
PlanIn = Annotated[
    Path | None,
    typer.Option(
        "--apply",
        metavar="FILE",
        rich_help_panel=SAFETY,
        show_default=False,
        help="Carry out a file that --plan wrote, if the mirror was not synced since.",
    ),
]
Every = Annotated[
    float | None,
    typer.Option(
        "--every",
        metavar="TIME",
        parser=amounts.seconds,
        rich_help_panel=WHEN,
        show_default=False,
        help="Keep running, and sync again after this time, such as 5m, from begin to begin.",
    ),
]


@reaching
@filtering
def sync(
    targets: Targets,
    access: Access,
    wanted: Wanted,
    images: ImagesMode = None,
    annotations: AnnotationsOption = "auto",
    coco: CocoFile = False,
    quick: Quick = False,
    recheck: Recheck = None,
    max_delete: MaxDeleteOption = None,
    allow_empty: AllowEmpty = False,
    moved: Moved = False,
    dry_run: DryRun = False,
    plan: PlanOut = None,
    apply: PlanIn = None,
    every: Every = None,
    concurrency: options.Concurrency = 4,
    max_rps: options.MaxRps = None,
    certificate: options.CertificateFile = None,
    quiet: options.Quiet = False,
    json_log: options.JsonLog = False,
) -> None:
    """Make a folder a local copy of a dataset, or bring it up to date.

    The first run copies images, annotations, categories and files; each later one fetches what
    changed, and ends like the server. A mirror knows its server, dataset and filters: only the
    folder is to be named then.

    Interrupted or killed, the next run goes on. Nothing is removed unless it is proven that the
    server has it no more, and not more than --max-delete; files of removed images go to a trash
    that `coir gc` empties.
    """
    voice.configure(json=json_log, quiet=quiet)
    ending_in_order()
    writable(plan, "--plan")
    writable(certificate, "--certificate")
    _apart(dry_run=dry_run, plan=plan, apply=apply, every=every)
    chosen = Options(
        images=images,
        annotations=annotations,
        quick=quick,
        recheck=recheck,
        limits=Limits(max_delete or LIMITS.max_delete, allow_empty),
        concurrency=concurrency,
        max_rps=max_rps,
        moved=moved,
    )
    dataset, home = _named(targets)
    where = wanted.filter()
    task = Task(
        home, dataset, None if where == Filter() else where, chosen, dry_run, plan, apply, coco
    )
    task.reach(access)
    if every is not None:
        task.repeat(every, certificate)
    report = task.run(certificate)
    voice.synced(report)
    if report.certificate is not None:
        voice.done(report.certificate)


def _named(targets: Sequence[str]) -> tuple[str | None, Path]:
    """Tell the dataset and the folder apart: one argument is always the folder."""
    if len(targets) > 2:
        raise InvalidRequest(
            "Too many arguments.", hint="Give a dataset and a folder: coir sync DATASET DIR"
        )
    return (targets[0] if len(targets) == 2 else None), Path(targets[-1])


def _apart(*, dry_run: bool, plan: Path | None, apply: Path | None, every: float | None) -> None:
    """Refuse options that contradict each other."""
    given = [
        name
        for name, one in (
            ("--apply", apply),
            ("--every", every),
            ("--plan" if plan else "--dry-run", plan or dry_run),
        )
        if one
    ]
    if len(given) > 1:
        raise InvalidRequest(f"{given[0]} and {given[1]} do not go together.", hint="Use one.")
    if every is not None and every <= 0:
        raise InvalidRequest("The time between two syncs must be more than 0 seconds.")
