"""Whether a server lives and is ready, as what watches servers asks it."""

from __future__ import annotations

from pathlib import Path

from .databases import POSTGRES, SQLITE, Place
from .running import Running

# What makes the database one that cannot be read, and what is said of it then.
DAMAGE = {
    SQLITE: (
        (
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = 'damaged' WHERE name = 'users'",
            "PRAGMA schema_version = 99999",
        ),
        "malformed database schema",
    ),
    POSTGRES: (
        ("ALTER TABLE alembic_version RENAME version_num TO damaged",),
        "column alembic_version.version_num does not exist",
    ),
}


def test_a_server_lives_and_is_ready(server: Running) -> None:
    """Both routes say yes to anybody, and tell nothing more."""
    client = server.client()
    for word, status in (("health", "ok"), ("ready", "ready")):
        answer = client.get(f"/api/{word}")
        assert (answer.status_code, answer.json()) == (200, {"status": status})
        assert answer.headers["cache-control"] == "no-store"
        assert client.head(f"/api/{word}").status_code == 200


def test_a_database_of_another_version_is_not_ready(data: Path) -> None:
    """After a newer coir has changed the database, or without its tables, the server lives and is
    not ready; once they are as they were, it is again."""
    server = Running(data)
    client = server.client()
    breaks = [
        (
            "UPDATE alembic_version SET version_num = '9999'",
            "UPDATE alembic_version SET version_num = '{}'",
        ),
        ("ALTER TABLE alembic_version RENAME TO x", "ALTER TABLE x RENAME TO alembic_version"),
    ]
    with server.database() as database:
        (version,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        for breaking, mending in breaks:
            database.execute(breaking)
            answer = client.get("/api/ready")
            assert (answer.status_code, set(answer.json())) == (503, {"message"})
            assert client.get("/api/health").status_code == 200
            database.execute(mending.format(version))
            assert client.get("/api/ready").status_code == 200
    assert server.end()[0] == 0


def test_a_database_that_cannot_be_read_is_not_ready(place: Place, data: Path) -> None:
    """What is wrong with the database is in the log, not in the answer."""
    server = Running(data)
    client = server.client()
    assert client.get("/api/ready").status_code == 200
    damage, said = DAMAGE[place.kind]
    with server.database() as database:
        for statement in damage:
            database.execute(statement)
    answer = client.get("/api/ready")
    assert (answer.status_code, answer.json()) == (
        503,
        {"message": "The database does not answer."},
    )
    assert client.get("/api/health").status_code == 200
    code, _, err = server.end()
    assert code == 0
    assert said in err
    assert "Traceback" not in err
