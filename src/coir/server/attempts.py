"""Failed attempts to sign in, counted in the database: several processes count together."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator

from sqlalchemy import delete, insert, select, update

from coir.server.answers import Refusal
from coir.server.names import fold
from coir.server.store.engine import Store, now_ms
from coir.server.store.tables import attempts

# A person mistypes a few times; a program is slowed to some hundred guesses a day.
WINDOW_MS = 15 * 60 * 1000
OF_NAME_FROM_ADDRESS = 10
# Ten times as many: nobody locks others out from elsewhere by a few wrong passwords, and an
# office behind one address has many users.
OF_NAME = 100
FROM_ADDRESS = 100


class Attempts:
    """Refuses to try a password after too many failures; the same for names that nobody has.

    What runs when the limit is reached is still tried: some more than the limit may fail.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def check(self, name: str, address: str) -> None:
        """Refuse with 429 when there were too many failures."""
        limits = dict(_limits(name, address))
        since = now_ms() - WINDOW_MS
        asked = select(attempts).where(attempts.c.key.in_(limits), attempts.c.began_at > since)
        with self._store.read() as connection:
            found = connection.execute(asked).all()
        waits = [row.began_at - since for row in found if row.failures >= limits[row.key]]
        if waits:
            seconds = max(waits) // 1000 + 1
            raise Refusal(
                429,
                {"success": False, "message": f"Too many attempts: try again in {seconds} s."},
                {"Retry-After": str(seconds)},
            )

    def failed(self, name: str, address: str) -> None:
        """Count a failure."""
        moment = now_ms()
        with self._store.write() as connection:
            old = attempts.c.began_at <= moment - WINDOW_MS
            connection.execute(delete(attempts).where(old))
            for key, _ in _limits(name, address):
                known = connection.execute(
                    update(attempts)
                    .where(attempts.c.key == key)
                    .values(failures=attempts.c.failures + 1)
                )
                if known.rowcount == 0:
                    first = {"key": key, "failures": 1, "began_at": moment}
                    connection.execute(insert(attempts).values(first))

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of this name from this address; those of others still count."""
        key = next(_limits(name, address))[0]
        asked = select(attempts.c.key).where(attempts.c.key == key)
        with self._store.read() as connection:
            if connection.execute(asked).first() is None:
                return
        with self._store.write() as connection:
            connection.execute(delete(attempts).where(attempts.c.key == key))


def _limits(name: str, address: str) -> Iterator[tuple[str, int]]:
    """What an attempt counts for, the first being the name from the address, and how often."""
    folded, network = fold(name), _network(address)
    yield _key("name from address", folded, network), OF_NAME_FROM_ADDRESS
    yield _key("name", folded), OF_NAME
    yield _key("address", network), FROM_ADDRESS


def _key(*parts: str) -> str:
    # Hashed: people type passwords into the field of the name.
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _network(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address: whoever has one has all of it."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped:
            return str(known.ipv4_mapped)
        return str(ipaddress.ip_network((int(known) >> 64 << 64, 64)))
    return str(known)
