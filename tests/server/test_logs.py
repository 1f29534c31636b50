"""The log: a line for each request, which tells what happened and no secrets."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
from pathlib import Path

import httpx2 as httpx
import pytest
from PIL import Image

from .databases import POSTGRES, SQLITE, Place
from .running import Running, created, scanned, uploaded
from .serving import Serving
from .test_tokens import made

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
SECRETS = ("hush-password", "hush-name", "hush-folder", "hush-body", "hush-agent")


def asked_by_all_means(server: Running) -> list[tuple[str, str | None, int]]:
    """Requests with secrets wherever a request can hold one; what the log should say of each."""
    client = server.client(headers={"User-Agent": "hush-agent"})
    admin = {"username": "admin", "password": "hush-password"}
    token, said = "", []

    def ask(method: str, path: str, route: str | None, **more: object) -> httpx.Response:
        answer = client.request(method, path, **more)  # type: ignore[arg-type]
        said.append((method, route, answer.status_code))
        return answer

    ask("POST", "/api/user/register", "/api/user/register", json=admin)
    ask("POST", "/api/user/login", "/api/user/login", json=admin)
    given = {"name": "hush-name", "scope": "read"}
    token = ask("POST", "/api/user/tokens", "/api/user/tokens", json=given).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    ask("GET", "/api/user/", "/api/user/", headers=headers)
    ask("POST", "/api/dataset/", "/api/dataset/", headers=headers, json={"name": "hush-name"})
    ask("POST", "/api/dataset/", "/api/dataset/", json={"name": "hush-name"})
    listing = "/api/dataset/{dataset_id}/data"
    ask("GET", "/api/dataset/1/data?folder=hush-folder", listing)
    ask("HEAD", "/api/dataset/1/data?file_name=hush-name", listing)
    ask("GET", "/api/admin/user/hush-name", "/api/admin/user/{username}")
    ask("GET", f"/api/no/{token}", None)
    ask("OPTIONS", "/api/dataset/", None)
    ask("POST", "/api/annotation/", "/api/annotation/", content=b'{"hush-body', headers=JSON)
    secrets = [token, str(client.cookies["session"])]
    log = server.log() if isinstance(server, Serving) else ""
    for secret in [*SECRETS, *secrets]:
        assert secret not in log
    return said


JSON = {"Content-Type": "application/json"}


def test_a_line_for_each_request(data: Path) -> None:
    """As JSON: the moment, the request's id, method, route, status, milliseconds and user, and
    nothing that a request may hold in secret."""
    server = Serving(data, "--log", "json")
    said = asked_by_all_means(server)
    lines = server.lines(len(said))
    assert [(one["method"], one["route"], one["status"]) for one in lines] == said
    names = ["time", "level", "message", "request_id", "method", "route", "status", "ms", "user"]
    for line in lines:
        assert list(line) == names
        assert re.fullmatch(MOMENT, line["time"])
        assert 0 <= line["ms"] < 60_000
    users = [line["user"] for line in lines]
    assert users[:2] == [None, None]  # nobody was signed in before
    assert set(users[2:9]) == {1}
    assert len({line["request_id"] for line in lines}) == len(lines)
    assert server.end()[0] == 0
    for secret in SECRETS:
        assert secret not in server.log()


def test_the_same_as_text(data: Path) -> None:
    """As text: a line for each request with the same in it."""
    server = Serving(data, "--log", "text")
    server.client().get("/api/user/", headers={"X-Request-ID": "0123-4567"})
    server.client().get("/nothing", headers={"X-Request-ID": "89ab.cdef"})
    assert server.end()[0] == 0
    first, second = server.log().splitlines()
    assert re.fullmatch(
        rf"{MOMENT} INFO request request_id=0123-4567 method=GET route=/api/user/ status=401 "
        r"ms=\d+\.\d",
        first,
    )
    assert re.fullmatch(
        rf"{MOMENT} INFO request request_id=89ab.cdef method=GET status=404 ms=\d+\.\d", second
    )


def test_quiet_unless_asked(data: Path) -> None:
    """Without the option nothing is written while nothing is wrong."""
    server = Serving(data)
    asked_by_all_means(server)
    assert server.end()[0] == 0
    assert server.log() == ""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/dataset/", "application/json"),
        ("/api/image/", "multipart/form-data; boundary=x"),
        ("/api/dataset/1/coco", "multipart/form-data; boundary=x"),
    ],
)
def test_a_client_that_goes_away(data: Path, path: str, kind: str) -> None:
    """Who leaves in the middle of a request is no failure of the server, and gets no answer."""
    server = Serving(data, "--log", "json")
    cookie = server.user("admin").cookies["session"]
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as line:
        head = (
            f"POST {path} HTTP/1.1", "Host: localhost", f"Cookie: session={cookie}",
            f"Content-Type: {kind}", "Content-Length: 1000", "", "--x",
        )  # fmt: skip
        line.sendall("\r\n".join(head).encode())
    *_, last = server.lines(2)
    assert (last["level"], last["status"]) == ("info", None)
    assert server.end()[0] == 0
    assert "Traceback" not in server.log()
    assert "error" not in server.log()


@pytest.mark.parametrize("given", ["01234567", "a" * 64, "3f2b1c9e-1d2c-4b5a-8c7d-0123456789ab"])
def test_request_id_is_taken(server: Running, given: str) -> None:
    """A well-formed id comes back, whatever the answer is."""
    client = server.client(headers={"X-Request-ID": given})
    for path in ("/api/info/", "/api/info", "/api/user/", "/nothing", "/api/dataset/x/data"):
        assert client.get(path).headers["x-request-id"] == given
    assert client.options("/api/info/").headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "short", "a" * 65, "0123 4567", "0123456\xff", '01234567"'])
def test_request_id_is_made(server: Running, given: str) -> None:
    """Anything else is replaced by an id of its own for each request."""
    sent = [(b"X-Request-ID", given.encode("latin-1"))]
    client = server.client()
    made = {client.get("/api/info/", headers=sent).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in made)


def test_a_failure_is_found_by_its_id(data: Path) -> None:
    """The log of what went wrong inside carries the id that the answer carries, no value of the
    query that failed, and no line break."""
    server = Serving(data, "--log", "json")
    admin = server.user("admin")
    made(admin)
    with server.database() as database:
        database.execute("ALTER TABLE tokens RENAME TO elsewhere")
    given = {"name": "hush-name", "scope": "read"}
    answer = admin.post("/api/user/tokens", json=given)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    assert server.end()[0] == 0
    *_, failed, line = server.lines(1)
    assert failed["level"] == "error"
    assert failed["message"] == "POST /api/user/tokens failed"
    assert failed["request_id"] == line["request_id"] == answer.headers["x-request-id"]
    assert (line["status"], line["user"]) == (500, 1)
    assert re.search(NO_TOKENS, failed["exception"])
    assert "hush-name" not in server.log()


NO_TOKENS = r"no such table: tokens|relation .tokens. does not exist"
# What makes a database refuse a row: PostgreSQL tells of a rule all values of the row.
REFUSING = {
    SQLITE: "CREATE TRIGGER no BEFORE INSERT ON datasets BEGIN SELECT RAISE(ABORT, 'no'); END",
    POSTGRES: "ALTER TABLE datasets ADD CONSTRAINT no CHECK (name = '')",
}


def test_a_value_that_fails_is_not_logged(place: Place, data: Path) -> None:
    """What the database refuses is told without the values: they may be hashes or names."""
    server = Serving(data)
    admin = server.user("admin")
    with server.database() as database:
        database.execute(REFUSING[place.kind])
    assert admin.post("/api/dataset/", json={"name": "hush-name"}).status_code == 500
    assert server.end()[0] == 0
    assert "INSERT INTO datasets" in server.log()
    assert "hush-name" not in server.log()


def test_every_answer_says_how_it_may_be_used(server: Running) -> None:
    """No answer runs, is framed, or tells where it was asked from; what is personal is not kept;
    pictures keep what lets them be asked for again cheaply."""
    admin = server.user("admin")
    dataset = created(admin, "headers")
    image = uploaded(admin, dataset, "x.jpg").json()
    paths = ["/api/info/", "/api/info", "/nothing", "/api/user/", f"/api/dataset/{dataset}/data"]
    paths += [f"/api/image/{image}", f"/api/image/{image}?original=1", "/api/dataset/999/data"]
    paths += [f"/api/dataset/{dataset}/ids", f"/api/dataset/{dataset}/coco", "/api/docs"]
    for path in paths:
        headers = admin.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert policy.endswith("frame-ancestors 'none'")
        assert "unsafe" not in policy
        if "/api/image/" in path:
            assert headers["cache-control"].startswith("private, max-age=")
        elif "etag" in headers:
            assert path == f"/api/dataset/{dataset}/data"
            assert headers["cache-control"] == "private, no-cache"
        else:
            assert headers["cache-control"] == "no-store", path
    original = f"/api/image/{image}?original=1"
    tag = {"If-None-Match": admin.get(original).headers["etag"]}
    assert admin.get(original, headers=tag).status_code == 304


def test_the_page_runs_its_own_script_only(server: Running) -> None:
    """The policy of the page for people names its script and its style by their hashes."""
    answer = server.client().get("/api/docs")
    policy = answer.headers["content-security-policy"]
    for name in ("script", "style"):
        assert len(re.findall(rf"<{name}>", answer.text)) == 1
        assert re.search(rf"{name}-src 'sha256-[A-Za-z0-9+/]{{43}}='", policy)
    assert "connect-src 'self'" in policy
    assert "style=" not in answer.text  # which no hash allows


def damaged() -> bytes:
    """A photograph with EXIF data that end in their midst."""
    exif = b"Exif\0\0II*\0" + struct.pack("<LH", 8, 5) + struct.pack("<HHLL", 0x112, 3, 1, 6)
    written = io.BytesIO()
    Image.new("RGB", (20, 10), "teal").save(written, "JPEG", exif=exif)
    return written.getvalue()


def test_warnings_of_libraries_are_lines_of_the_log(data: Path) -> None:
    """A picture with damaged EXIF data is taken and shown; that it is damaged is one line."""
    server = Serving(data, "--log", "json")
    admin = server.user("admin")
    dataset = created(admin, "d")
    image = uploaded(admin, dataset, "x.jpg", damaged())
    assert image.status_code == 200
    assert admin.get(f"/api/image/{image.json()}").status_code == 200
    (server.directory("d") / "y.jpg").write_bytes(damaged())
    assert scanned(admin, dataset)["warnings"] == 0
    server.signal()
    assert server.ended() == 0
    lines = [json.loads(line) for line in server.log().splitlines()]
    told = {line["message"] for line in lines if line["level"] == "warning"}
    assert len(told) == 1
    assert "UserWarning: Corrupt EXIF data" in told.pop()
