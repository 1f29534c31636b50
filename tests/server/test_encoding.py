"""What is large costs less on the way: zstd and gzip, as the client accepts them."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable

import httpx2 as httpx
import pytest

from coir.server.encoding import chosen

from .running import Running, created, picture, uploaded

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UNPACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "zstd": zstd.decompress}
# RFC 9659: what a client need not unpack is a window above this.
LARGEST_WINDOW = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def dataset(admin: httpx.Client) -> int:
    made = created(admin, "encoded")
    for number in range(30):
        uploaded(admin, made, f"{number}.png", picture(8, 8))
    return made


def raw(client: httpx.Client, path: str, accepted: str) -> tuple[bytes, httpx.Headers]:
    """An answer as it comes over the line."""
    with client.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
        return b"".join(answer.iter_raw()), answer.headers


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_large_answers_shrink(admin: httpx.Client, dataset: int, encoding: str) -> None:
    """Who takes an encoding gets JSON so, in one piece or streamed, and the same JSON."""
    for path in (f"/api/dataset/{dataset}/data?limit=30", f"/api/dataset/{dataset}/coco"):
        plain, headers = raw(admin, path, "identity")
        assert "content-encoding" not in headers
        packed, headers = raw(admin, path, encoding)
        assert headers["content-encoding"] == encoding
        assert "Accept-Encoding" in headers["vary"]
        whole, unpacked = json.loads(plain), json.loads(UNPACK[encoding](packed))
        if path.endswith("limit=30"):
            assert len(packed) < len(plain) / 2
            assert int(headers["content-length"]) == len(packed)
        for one in (whole, unpacked):
            one.pop("time_ms", None)
        assert unpacked == whole


def test_pictures_and_small_answers_stay_as_they_are(admin: httpx.Client, dataset: int) -> None:
    """What would not shrink is not encoded, whoever asks for it."""
    listed = admin.get(f"/api/dataset/{dataset}/data").json()["images"]
    for path in (f"/api/image/{listed[0]['id']}", "/api/health"):
        _, headers = raw(admin, path, "zstd, gzip")
        assert "content-encoding" not in headers


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_tag_is_the_same_in_every_encoding(
    admin: httpx.Client, dataset: int, encoding: str
) -> None:
    """Who has the answer in one encoding is told so when asking in another."""
    path = f"/api/dataset/{dataset}/data"
    _, headers = raw(admin, path, "identity")
    sent = {"Accept-Encoding": encoding, "If-None-Match": headers["etag"]}
    assert admin.get(path, headers=sent).status_code == 304


def test_a_list_of_ids_can_be_read_while_it_comes(admin: httpx.Client, dataset: int) -> None:
    """A streamed answer is one frame of zstd, with a window that every client unpacks."""
    packed, headers = raw(admin, f"/api/dataset/{dataset}/ids", "zstd")
    assert headers.get("content-encoding") == "zstd"
    limit = {zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW.bit_length() - 1}
    reader = zstd.ZstdDecompressor(options=limit)
    text = b"".join(reader.decompress(packed[at : at + 1]) for at in range(len(packed)))
    assert (reader.eof, reader.unused_data) == (True, b"")
    assert len(json.loads(text)["ids"]) == 30


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", "identity"),
        ("identity", "identity"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.9", "gzip"),
        ("gzip;q=0.5 , zstd; q=0.500", "zstd"),
        ("zstd;q=0, gzip", "gzip"),
        ("zstd;q=0, gzip;q=0.000", "identity"),
        ("identity, zstd;q=0.5", "identity"),
        ("identity;q=0.1, zstd;q=0.5", "zstd"),
        ("*", "gzip"),
        ("*;q=0", "identity"),
        ("gzip;q=0, *", "identity"),
        ("*, zstd", "zstd"),
        ("br", "identity"),
        ("identity;q=0", "identity"),
        ("zstd;q=nonsense, gzip", "gzip"),
        ("zstd;q=1.5, gzip;q=0.1", "gzip"),
        ("zstd;q=-1", "identity"),
        ("notzstd, zstdx, gzipped", "identity"),
        (",;,=;q", "identity"),
    ],
)
def test_the_heaviest_is_chosen(accepted: str, encoding: str) -> None:
    """Weights decide, then the better one; what cannot be read is not accepted."""
    assert chosen(accepted) == encoding


def test_several_headers_are_one_list(server: Running, admin: httpx.Client, dataset: int) -> None:
    """An Accept-Encoding in two lines means what it means in one."""
    sent = [("Accept-Encoding", "zstd;q=0.1"), ("Accept-Encoding", "gzip;q=0.2")]
    client = server.client(cookies=dict(admin.cookies))
    del client.headers["Accept-Encoding"]
    with client.stream("GET", f"/api/dataset/{dataset}/data?limit=30", headers=sent) as answer:
        assert answer.headers["content-encoding"] == "gzip"
