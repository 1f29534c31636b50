"""Servers at unusual places: below a path, at an IPv6 address, and Basic at the gate."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import coir
from client.serving import Scene, serving
from coir.errors import AuthenticationFailed
from coir.scan import Filter, Scan
from server.running import created, picture, scanned

from .proxy import Proxy


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("typed", ["{}", "{}/", "{}/api", "{}/api/"])
def test_a_server_below_a_path(scene: Scene, typed: str) -> None:
    """A path in front of /api stays in each request."""
    with (
        Proxy(scene.url, prefix="/tools/labels") as proxy,
        coir.connect(typed.format(proxy.url), username="admin", password="admin-pw") as server,
    ):
        assert server.url == proxy.url
        assert Scan(server.dataset("birds")).ids().tolist() == scene.ids


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_a_server_at_an_ipv6_address(scene: Scene) -> None:
    """An address in brackets."""
    with (
        Proxy(scene.url, host="::1") as proxy,
        coir.connect(proxy.url, username="admin", password="admin-pw") as server,
    ):
        assert Scan(server.dataset("birds")).ids().tolist() == scene.ids


def test_basic_sends_the_password_each_time_and_needs_no_session(scene: Scene) -> None:
    """No login is made, and the ids are the same; a wrong password is told as such."""
    paths: list[str] = []

    def keep(path: str, _params: dict[str, str], body: bytes) -> bytes:
        paths.append(path)
        return body

    with Proxy(scene.url, tamper=keep) as proxy:
        with coir.connect(proxy.url, username="admin", password="admin-pw", basic=True) as server:
            assert Scan(server.dataset("birds")).ids().tolist() == scene.ids
        assert "/api/user/login" not in paths
        with pytest.raises(AuthenticationFailed):
            coir.connect(proxy.url, username="admin", password="wrong", basic=True)


def test_names_in_every_script(tmp_path: Path) -> None:
    """Folders and files in Chinese, with spaces, plus signs, percent signs and emoji."""
    with serving(tmp_path) as own:
        admin = own.user("admin")
        dataset_id = created(admin, "写真 100% +1")
        names = ["鸟 +&=?#/雀%20.jpg", "naïve 🐦/a b.jpg", "c;d.jpg"]
        for name in names:
            path = own.directory("写真 100% +1") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture())
        scanned(admin, dataset_id)
        with coir.connect(own.url, username="admin", password="admin-pw") as server:
            dataset = server.dataset("写真 100% +1")
            assert {image.file_name for image in Scan(dataset)} == {
                "雀%20.jpg",
                "a b.jpg",
                "c;d.jpg",
            }
            for name in names[:2]:
                folder, file_name = name.split("/")
                found = list(Scan(dataset, Filter(folder=folder)))
                assert [image.file_name for image in found] == [file_name]
            assert Scan(dataset, Filter(name_contains="%20")).ids()
            assert not Scan(dataset, Filter(name_contains="% 20")).ids()
