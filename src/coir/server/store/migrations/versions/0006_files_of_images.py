"""What scans know of the files of images."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("images", sa.Column("file_size", sa.BigInteger(), nullable=True))
    op.add_column("images", sa.Column("file_mtime_ns", sa.BigInteger(), nullable=True))
    op.add_column("images", sa.Column("file_sample", sa.Text(), nullable=True))
    op.add_column(
        "images", sa.Column("vanished", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
