"""Puts the commands together, and turns errors into a sentence and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import stamina
import typer

from coir.cli import (
    admin,
    datasets,
    demo,
    export,
    history,
    login,
    query,
    serve,
    status,
    sync,
    upload,
    verify,
    watch,
)
from coir.cli.listing import listing
from coir.cli.talk import voice
from coir.errors import CoirError
from coir.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="coir",
    help="Everything out of COCO-Annotator: complete, fast and with proof.",
    epilog="Exit codes and the settings from the environment: docs/cli.md",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("ids")(listing(rows=False))
app.command("images")(listing(rows=True))
app.command("watch")(watch.watch)
app.command("upload")(upload.upload)
app.command("sync")(sync.sync)
app.command("status")(status.status)
app.command("log")(history.log)
app.command("diff")(history.diff)
app.command("verify")(verify.verify)
app.command("gc")(verify.gc)
app.command("datasets")(datasets.datasets)
app.command("export")(export.export)
app.command("query")(query.query)
app.command("login")(login.login)
app.command("logout")(login.logout)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.add_typer(admin.app, name="admin")
app.command("demo")(demo.demo)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"coir {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Everything out of COCO-Annotator: complete, fast and with proof."""


def main() -> None:
    """Run the command line; exits with the code that docs/cli.md lists."""
    # Retries show in the certificate; a library's log lines would cut through the progress.
    stamina.instrumentation.set_on_retry_hooks([])
    try:
        app()
    except CoirError as error:
        voice.fail(error)
        sys.exit(error.exit_code)
