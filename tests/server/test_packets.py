"""Packets of Engine.IO 3 and 4: payloads, what is taken, and what becomes of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coir.server.live.packets import (
    DROPPED,
    MAX_PACKETS,
    REVISIONS,
    Inward,
    MalformedError,
)

THREE, FOUR = REVISIONS["3"], REVISIONS["4"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1e"))
PAYLOADS = st.lists(TEXTS, min_size=1, max_size=MAX_PACKETS)


@given(PAYLOADS)
def test_what_is_joined_is_split_again(packets: list[str]) -> None:
    """A payload gives back its packets, whatever is in them, in both revisions."""
    assert FOUR.split(FOUR.join(packets)) == packets
    assert THREE.split(THREE.join(packets)) == packets


@given(PAYLOADS)
def test_lengths_in_bytes(packets: list[str]) -> None:
    """The form that clients in Python write: a zero, the digits of the length, 255, the bytes."""
    body = b""
    for packet in packets:
        encoded = packet.encode()
        body += b"\0" + bytes(map(int, str(len(encoded)))) + b"\xff" + encoded
    assert THREE.split(body) == packets


@given(st.binary(max_size=60))
def test_any_bytes_are_packets_or_malformed(body: bytes) -> None:
    """No body raises anything but `MalformedError`, nor does any packet in one."""
    for revision in REVISIONS.values():
        try:
            packets = revision.split(body)
        except MalformedError:
            continue
        for packet in packets:
            try:
                revision.inward(packet)
            except MalformedError:
                continue


@given(st.text('0123456[]{}",:/-annotig\\ué', max_size=40))
def test_any_message_is_taken_or_malformed(text: str) -> None:
    """What is passed on is what the library reads as one of the two events, or none."""
    for revision in REVISIONS.values():
        try:
            passed = revision.inward("4" + text).passed
        except MalformedError:
            continue
        if passed is not None and passed.startswith("42"):
            data = json.loads(passed[passed.index("[") :])
            assert data[0] in ("annotating", "annotation")


def test_recorded_payloads() -> None:
    """The forms in which the original answers a handshake, by text and by bytes."""
    opening = '0{"sid":"71","upgrades":["websocket"],"pingTimeout":60000,"pingInterval":25000}'
    text = f"{len(opening)}:{opening}2:40".encode()
    assert THREE.split(text) == [opening, "40"]
    assert THREE.join([opening, "40"]) == text
    framed = b"\0" + bytes(map(int, str(len(opening)))) + b"\xff" + opening.encode()
    assert THREE.split(framed + b"\0\2\xff40") == [opening, "40"]


def test_lengths_are_those_of_javascript() -> None:
    """A character beyond the first plane counts twice, as JavaScript counts."""
    assert THREE.join(["4😀é"]) == "4:4😀é".encode()
    assert THREE.split("4:4😀é1:1".encode()) == ["4😀é", "1"]
    with pytest.raises(MalformedError):
        THREE.split("2:4😀".encode())


def test_too_many_packets() -> None:
    """A payload has a limit of packets, in every form."""
    many = MAX_PACKETS + 1
    bodies = ((FOUR, b"\x1e".join([b"3"] * many)), (THREE, b"1:3" * many))
    for revision, body in (*bodies, (THREE, b"\0\1\xff3" * many)):
        with pytest.raises(MalformedError):
            revision.split(body)


EVENT = '421["annotating",{"image_id":1,"active":true}]'


@pytest.mark.parametrize(
    ("packet", "three", "four"),
    [
        (EVENT, Inward(EVENT), Inward(EVENT)),
        ('42/,["annotation",{}]', *[Inward('42/,["annotation",{}]')] * 2),
        ("2", Inward("3", "3"), DROPPED),
        ("2x", Inward("3", "3x"), DROPPED),
        ("3", DROPPED, Inward("3")),
        ("40", DROPPED, Inward("40")),
        ('40{"token":"x"}', DROPPED, Inward('40{"token":"x"}')),
        ("40/admin,", Inward("40/admin,"), Inward("40/admin,")),
        ("41", Inward("41"), Inward("41")),
        ("1", Inward("1"), Inward("1")),
        ("5", Inward("5"), Inward("5")),
        ("6", DROPPED, DROPPED),
        ('43["x"]', DROPPED, DROPPED),
        ('42["connect"]', DROPPED, DROPPED),
        ('42["disconnect"]', DROPPED, DROPPED),
        ('42/admin,["annotating",{}]', DROPPED, DROPPED),
    ],
)
def test_what_becomes_of_a_packet(packet: str, three: Inward, four: Inward) -> None:
    """What a client sends is passed on, answered, both, or left aside."""
    assert THREE.inward(packet) == three
    assert FOUR.inward(packet) == four


@pytest.mark.parametrize(
    ("packet", "shown"),
    [
        (
            '0{"sid":"a","upgrades":[],"pingTimeout":60000,"pingInterval":25000,"maxPayload":9}',
            '0{"sid":"a","upgrades":[],"pingTimeout":60000,"pingInterval":25000}',
        ),
        ("2", None),
        ("3probe", "3probe"),
        ("6", "6"),
        ("1", "1"),
        ('40{"sid":"b"}', "40"),
        ('40/x,{"sid":"b"}', "40/x,"),
        ('44{"message":"no"}', '44"no"'),
        ('44/x,"Unable to connect"', '44/x,"Unable to connect"'),
        ("44{}", '44"Refused"'),
        (EVENT, EVENT),
    ],
)
def test_what_old_clients_are_shown(packet: str, shown: str | None) -> None:
    """What the server behind says, as Socket.IO 2 says it."""
    assert THREE.outward(packet) == shown
    assert FOUR.outward(packet) == packet
