"""Puts the commands together, and turns errors into a sentence and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import stamina
import typer

from coir.cli import datasets, demo, ids, serve
from coir.cli.talk import printable, say
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
app.command("ids")(ids.ids)
app.command("datasets")(datasets.datasets)
app.command("serve")(serve.serve)
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
        say(printable(f"Error: {error.message}"))
        if error.hint:
            say(error.hint)
        sys.exit(error.exit_code)
