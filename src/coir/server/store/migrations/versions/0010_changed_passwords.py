"""Who has changed the password that they began with."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "users",
        sa.Column("password_changed", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
