"""The options that commands share: which server, which images, how to read, what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

__all__: list[str] = []

SERVER, IMAGES, READING, OUTPUT = "The server", "Which images", "How to read", "What to write"


def option(panel: str, *names: str, help: str, **more: Any) -> Any:  # noqa: A002 - typer's word
    """Give an option of a panel."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **{"show_default": False, **more})


ServerUrl = Annotated[
    str | None,
    option(
        SERVER,
        "--server",
        "-s",
        envvar="COIR_SERVER",
        metavar="URL",
        help="The server's address, as the browser shows it.",
    ),
]
Username = Annotated[
    str | None,
    option(
        SERVER,
        "--username",
        "-u",
        envvar="COIR_USERNAME",
        metavar="NAME",
        help="Log in as this user; the password is COIR_PASSWORD, or what `coir login` kept, "
        "or asked for.",
    ),
]
Password = Annotated[str | None, typer.Option("--password", envvar="COIR_PASSWORD", hidden=True)]
Cookie = Annotated[
    str | None,
    option(
        SERVER,
        "--cookie",
        envvar="COIR_COOKIE",
        metavar="VALUE",
        help="Instead of logging in, use the session cookie of a browser.",
    ),
]
Token = Annotated[
    str | None,
    option(
        SERVER,
        "--token",
        envvar="COIR_TOKEN",
        metavar="TOKEN",
        help="Instead of logging in, use an API token of coir's own server.",
    ),
]
Basic = Annotated[
    bool,
    option(SERVER, "--basic", help="Send user name and password with each request instead of "
            "logging in once; slower, for servers behind a gate that wants it."),
]  # fmt: skip

DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", help="The dataset's name or id.", show_default=False)
]
Annotated_ = Annotated[
    bool | None,
    option(IMAGES, "--annotated/--not-annotated", help="Only those marked as annotated, or not."),
]
Categories = Annotated[
    list[str] | None,
    option(
        IMAGES,
        "--category",
        "-c",
        metavar="NAME",
        help="Only those with an annotation of this category, by name or id; may be given "
        "several times, and means any of them.",
    ),
]
Folder = Annotated[
    str | None,
    option(IMAGES, "--folder", metavar="PATH", help="Only those in this folder or below."),
]
NameContains = Annotated[
    str | None,
    option(IMAGES, "--name-contains", metavar="TEXT", help="Only file names that contain this."),
]
NameStartswith = Annotated[
    str | None,
    option(IMAGES, "--name-startswith", metavar="TEXT", help="Only file names that start so."),
]
AfterId = Annotated[int, option(IMAGES, "--after-id", metavar="ID", min=0, help="Only larger ids.")]
Where = Annotated[
    list[str] | None,
    option(
        IMAGES,
        "--where",
        "-w",
        metavar="FIELD__OP=VALUE",
        help="Any further condition, such as width__gte=800 or path__contains=/left/; may be "
        "given several times. See docs/filters.md.",
    ),
]

Concurrency = Annotated[
    int,
    option(
        READING,
        "--concurrency",
        min=1,
        max=64,
        show_default=True,
        help="Requests under way at the same time, at most.",
    ),
]
MaxRps = Annotated[
    float | None,
    option(READING, "--max-rps", metavar="N", help="Requests a second, at most."),
]
Resume = Annotated[
    Path | None,
    option(
        READING,
        "--resume",
        metavar="FILE",
        help="Keep the progress there; run the same command again to go on after an interruption.",
    ),
]
Since = Annotated[
    Path | None,
    option(
        READING,
        "--since",
        metavar="CERTIFICATE",
        help="Only what is new since this certificate was written.",
    ),
]

FormatName = Annotated[
    Literal["lines", "json", "ndjson", "csv", "parquet", "arrow"],
    option(OUTPUT, "--format", "-f", show_default=True, help="How to write."),
]
Fields = Annotated[
    str | None,
    option(
        OUTPUT,
        "--fields",
        metavar="NAMES",
        help="Tell more of each image: any of path, width, height, category_ids, separated by "
        "commas.",
    ),
]
Output = Annotated[
    Path | None,
    option(
        OUTPUT,
        "--output",
        "-o",
        metavar="FILE",
        help="Write there instead of stdout; the file appears when it is whole.",
    ),
]
AtOnce = Annotated[
    bool,
    option(
        OUTPUT,
        "--at-once",
        help="Print rows as they come, before it is known that they are all: look at the exit "
        "code.",
    ),
]
CertificateFile = Annotated[
    Path | None,
    option(OUTPUT, "--certificate", metavar="FILE", help="Write the certificate there, as JSON."),
]
MirrorFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder of the mirror.", show_default=False)
]
Quiet = Annotated[
    bool, option(OUTPUT, "--quiet", "-q", help="Say nothing unless something is wrong.")
]
JsonLog = Annotated[
    bool, option(OUTPUT, "--json-log", help="Talk on stderr in JSON, one object a line.")
]
