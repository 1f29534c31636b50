"""`coir verify` and `coir gc`: whether a mirror is like its server; and emptying its trash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from coir.cli import amounts, options
from coir.cli.access import Access, reaching
from coir.cli.output import ending_in_order, put
from coir.cli.talk import printable, voice
from coir.cli.task import connected
from coir.client import Dataset
from coir.errors import CoirError
from coir.mirror import Mirror, Outcome, Sign
from coir.mirror.report import size_words

__all__ = ["gc", "verify"]

# What `diff` and `cmp` have, too; an error of another kind ends with its own code.
CODES = {"same": 0, "differs": 1, "error": 2}


@reaching
def verify(
    home: options.MirrorFolder,
    access: Access,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Compare all annotations, and read all files on both sides."),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Ask no server: are the files here as they were fetched?"),
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Print also what is the same.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
    quiet: options.Quiet = False,
    json_log: options.JsonLog = False,
) -> None:
    """Compare a mirror with its server, image by image, and change nothing.

    `+` is only on the server, `-` only here, `*` differs, `!` could not be found out; with --all,
    `=` is the same. Without --deep the rows are compared, and the sizes of files here.

    The exit code is 0 when all is the same, 1 when something differs, 2 when something could not
    be found out; other codes as always, and then nothing was.
    """
    voice.configure(json=json_log, quiet=quiet)
    ending_in_order()
    try:
        with (
            Mirror(home, create=False) as mirror,
            _server(mirror, access, offline=offline) as dataset,
            voice.counting(f"Verifying {home}") as count,
        ):
            found = mirror.verify(dataset, deep=deep, watch=count)
            put(
                msgspec.json.encode(one).decode() if json else printable(_words(one))
                for one in found
                if everything or one.sign is not Sign.SAME
            )
    except CoirError as error:
        if error.exit_code != CODES["differs"]:
            raise
        voice.fail(error)  # its own code would say that something differs
        raise typer.Exit(CODES["error"]) from error
    voice.say({"same": "All is the same.", "differs": "Something differs."}.get(
        found.verdict, "Not all could be found out."
    ))  # fmt: skip
    raise typer.Exit(CODES[found.verdict])


def gc(
    home: options.MirrorFolder,
    older_than: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=amounts.seconds,
            show_default=False,
            help="Only what was put there so long ago, such as 30d.",
        ),
    ] = None,
    quiet: options.Quiet = False,
    json_log: options.JsonLog = False,
) -> None:
    """Empty the trash of a mirror: the files of images that syncs removed.

    The files go for good; what `coir log` knows of the images stays.
    """
    voice.configure(json=json_log, quiet=quiet)
    ending_in_order()
    with Mirror(home, create=False) as mirror:
        gone = mirror.gc(None if older_than is None else timedelta(seconds=older_than))
    voice.say(
        f"{gone.files:,} files removed from the trash, {size_words(gone.bytes)}.",
        files=gone.files,
        bytes=gone.bytes,
    )


@contextmanager
def _server(mirror: Mirror, access: Access, *, offline: bool) -> Iterator[Dataset | None]:
    if offline:
        yield None
        return
    with connected(mirror.settings, access) as dataset:
        yield dataset


def _words(one: Outcome) -> str:
    why = "; ".join(filter(None, (", ".join(one.what), one.message)))
    return f"{one.sign} {one.id}{why and ' '}{why}"
