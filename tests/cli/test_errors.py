"""Each error: one sentence, what to try next, an exit code of its own, nothing on stdout."""

from __future__ import annotations

import json as json_
from collections.abc import Mapping
from pathlib import Path

import pytest

from client.misbehaving import (
    CREATE,
    DATA,
    DATASETS,
    INFO,
    LOGIN,
    UNAUTHORIZED,
    Asked,
    Fault,
    Misbehaving,
    Reply,
    Route,
    html,
    json,
    listing,
)
from coir import errors

from .command import coir

REFUSED = json({"success": False, "message": "Could not authenticate user"}, 400)
ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "hush"}
BOTH = ("ids birds", "datasets")


def _broken_later(asked: Asked) -> Reply:
    """A listing that fails from some id on."""
    if int(asked.params.get("id__gte", 0)) > 3000 and asked.params["limit"] != "1":
        return json({"message": "Internal Server Error"}, 500)
    return listing(range(5, 18_000, 2))(asked)


# The error, what the server does (None: there is none), the command, the environment.
Case = tuple[str, Mapping[str, Route] | None, str, Mapping[str, str]]
CASES: dict[str, Case] = {
    "no server": ("InvalidRequest", None, "ids birds", {}),
    "not an address": ("InvalidRequest", None, "datasets -s ftp://h", {}),
    "password in address": ("InvalidRequest", None, "datasets -s http://a:hush@h", {}),
    "refused": ("ConnectionFailed", None, "ids birds -s http://127.0.0.1:9", ADMIN),
    "reset": ("ConnectionFailed", {INFO: [Fault.RESET]}, "ids birds", ADMIN),
    "tls": ("TLSFailed", {}, "ids birds --tls", ADMIN),
    "login page": ("UnexpectedAnswer", {INFO: [html("Sign in - ACME")]}, "ids birds", ADMIN),
    "redirect": (
        "UnexpectedAnswer",
        {INFO: [json({}, 302, location="https://a:hush@login.example/?next=hush")]},
        "datasets",
        ADMIN,
    ),
    "wrong password": ("AuthenticationFailed", {LOGIN: [REFUSED]}, "ids birds", ADMIN),
    "nobody to ask": ("AuthenticationFailed", {}, "ids birds", {"COIR_USERNAME": "admin"}),
    "no user": ("AuthenticationFailed", {DATASETS: [UNAUTHORIZED]}, "ids birds", {}),
    "old cookie": (
        "AuthenticationFailed",
        {"GET /api/user/": [UNAUTHORIZED]},
        "ids birds",
        {"COIR_COOKIE": "hush"},
    ),
    "old token": (
        "AuthenticationFailed",
        {"GET /api/user/": [UNAUTHORIZED]},
        "ids birds",
        {"COIR_TOKEN": "coir_hush"},
    ),
    "no token": ("InvalidRequest", {}, "datasets", {"COIR_TOKEN": "hush"}),
    "token and cookie": (
        "InvalidRequest",
        {},
        "ids birds",
        {"COIR_TOKEN": "coir_hush", "COIR_COOKIE": "hush"},
    ),
    "token and user": ("InvalidRequest", {}, "watch birds", ADMIN | {"COIR_TOKEN": "coir_hush"}),
    "unknown dataset": ("DatasetNotFound", {}, "ids fish", ADMIN),
    "forbidden": ("PermissionDenied", {DATASETS: [json({"message": "no"}, 403)]}, "ids 1", ADMIN),
    "server's own": ("ServerFailed", {DATASETS: [json({"message": "oh"}, 500)]}, "datasets", ADMIN),
    "listing": ("ServerFailed", {DATA: [json({"message": "oh"}, 500)]}, "ids birds", ADMIN),
    "incomplete": ("IncompleteScan", {DATA: _broken_later}, "ids birds", ADMIN),
}


def test_every_error_is_reached() -> None:
    """The cases reach every kind of error; the root itself is only raised by `coir serve`.

    An incomplete upload names its files as well: tests/cli/test_upload.py. Those of a mirror say
    what was done, or who is at work: tests/cli/test_sync.py and test_every.py.
    """
    reached = {kind for kind, *_ in CASES.values()}
    elsewhere = {"IncompleteUpload", "IncompleteSync", "MirrorBusy", "SyncStopped"}
    assert reached == set(errors.__all__) - {"CoirError"} - elsewhere
    codes = [getattr(errors, kind).exit_code for kind in errors.__all__]
    assert len(set(codes)) == len(codes)
    assert not {0, 130} & set(codes)


@pytest.mark.parametrize("name", CASES)
def test_error(name: str) -> None:
    """The error is told in a sentence and a hint, with its exit code and nothing on stdout."""
    kind, routes, command, env = CASES[name]
    arguments = [one for one in command.split() if one != "--tls"]
    if routes is None:
        done = coir(*arguments, env=env)
    else:
        with Misbehaving(routes, tls="--tls" in command) as server:
            done = coir(*arguments, "-s", server.url, env=env)
            assert server.count(CREATE) == 0
    assert done.code == getattr(errors, kind).exit_code, done.err
    assert done.out == ""
    sentence, hint = done.sentences
    assert sentence.startswith("Error: ")
    assert sentence.endswith(".")
    assert hint
    assert "hush" not in done.err
    assert "Traceback" not in done.err


def test_incomplete_has_a_certificate(tmp_path: Path) -> None:
    """When a scan ends without proof, the certificate that says why is written all the same."""
    path = tmp_path / "certificate.json"
    with Misbehaving({DATA: _broken_later}) as server:
        done = coir("ids", "birds", "-s", server.url, "--certificate", str(path))
    assert (done.code, done.out) == (errors.IncompleteScan.exit_code, "")
    says = json_.loads(path.read_bytes())
    assert says["verdict"] == "incomplete"
    assert says["findings"]


def test_control_characters(tmp_path: Path) -> None:
    """What a server says cannot move the cursor of whoever reads it, nor split a line."""
    evil = "birds\x1b[2J\nfish\t"
    with Misbehaving({DATASETS: [json([{"id": 1, "name": evil, "owner": evil}])]}) as server:
        done = coir("datasets", "-s", server.url)
        assert (done.code, done.err) == (0, "")
        [row] = done.out.splitlines()
        assert row.split("\t")[0] == "1"
        assert "\x1b" not in row
        done = coir("ids", "fish", "-s", server.url)
    assert "\x1b" not in done.err
    assert len(done.sentences) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["idz"], "No such command 'idz'. Did you mean 'ids'?"),
        (["ids", "birds", "--sever", "x"], "--server"),
        (["ids"], "Missing argument 'DATASET'"),
        (["ids", "birds", "fish"], "unexpected extra argument"),
        (["ids", "birds", "--concurrency", "0"], "--concurrency"),
        (["ids", "birds", "--concurrency", "many"], "--concurrency"),
        (["serve", "--port", "65536"], "--port"),
        (["demo", "--images", "1"], "--images"),
    ],
)
def test_mistyped(arguments: list[str], says: str) -> None:
    """A mistyped command or option is told, with what was probably meant, and exit code 2."""
    done = coir(*arguments)
    assert (done.code, done.out) == (2, "")
    assert says in " ".join(done.err.replace("│", " ").split())
    assert "--help" in done.err
    assert "Traceback" not in done.err


def test_server_that_cannot_start(tmp_path: Path) -> None:
    """`coir serve` says in a sentence why it cannot start."""
    with Misbehaving() as server:
        done = coir("serve", "--data", str(tmp_path / "data"), "--port", str(server.port))
    assert (done.code, done.out) == (errors.CoirError.exit_code, "")
    assert f"127.0.0.1:{server.port} cannot be listened on" in done.err
    file = tmp_path / "file"
    file.write_text("")
    done = coir("serve", "--data", str(file), "--port", "0")
    assert (done.code, done.out) == (errors.CoirError.exit_code, "")
    assert "Error: The server cannot start" in done.err
    assert "Traceback" not in done.err
