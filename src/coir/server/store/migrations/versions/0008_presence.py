"""Who annotates which image now."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "presence",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("image_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [f"{name}_id"],
                [f"{name}s.id"],
                name=op.f(f"fk_presence_{name}_id"),
                ondelete="CASCADE",
            )
            for name in ("dataset", "image", "user")
        ),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_presence")),
    )
    op.create_index("ix_presence_dataset_id", "presence", ["dataset_id"])
    op.create_index("ix_presence_image_id", "presence", ["image_id"])
