"""What scans know of the files of images."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = ("file_size", "file_mtime_ns", "file_sample", "vanished")


def upgrade() -> None:
    """Apply."""
    op.add_column("images", sa.Column("file_size", sa.BigInteger(), nullable=True))
    op.add_column("images", sa.Column("file_mtime_ns", sa.BigInteger(), nullable=True))
    op.add_column("images", sa.Column("file_sample", sa.Text(), nullable=True))
    op.add_column(
        "images", sa.Column("vanished", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    if op.get_bind().dialect.name == "sqlite":
        _note_files()


def _note_files() -> None:
    """The feed of `0006_changes` tells of files too; on PostgreSQL it compares whole rows."""
    asked = sa.text("SELECT sql FROM sqlite_master WHERE name = 'images_changed'")
    trigger: str = op.get_bind().execute(asked).scalar_one()
    differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in COLUMNS)
    op.execute("DROP TRIGGER images_changed")
    op.execute(sa.text(trigger.replace(" WHEN ", f" WHEN {differs} OR ", 1).replace(":", r"\:")))
