"""Jobs that any process can run, staged imports, and datasets on their way out."""

import time
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INTERRUPTED = "The server was upgraded while this job ran: start it again."


def upgrade() -> None:
    """Apply."""
    added: list[tuple[str, sa.Column[Any]]] = [
        ("tasks", sa.Column("kind", sa.Text(), nullable=True)),
        ("tasks", sa.Column("arguments", sa.JSON(), server_default="{}", nullable=False)),
        ("tasks", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False)),
        ("tasks", sa.Column("runner", sa.Text(), nullable=True)),
        ("tasks", sa.Column("leased_until", sa.BigInteger(), nullable=True)),
        ("tasks", _flag("cancelled")),
        ("datasets", _flag("removed")),
    ]
    for table, column in added:
        op.add_column(table, column)
    _stages()
    _report()


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)


def _stages() -> None:
    op.create_table(
        "staged_annotations",
        sa.Column("id", ID, nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("category", sa.BigInteger(), nullable=False),
        sa.Column("segmentation", sa.JSON(), nullable=False),
        sa.Column("area", sa.Float(), nullable=False),
        sa.Column("bbox", sa.JSON(), nullable=False),
        sa.Column("iscrowd", sa.Boolean(), nullable=False),
        sa.Column("isbbox", sa.Boolean(), nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("keypoints", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name="fk_staged_annotations_task_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_staged_annotations"),
    )
    op.create_index("ix_staged_annotations_task_id", "staged_annotations", ["task_id"])
    op.create_table(
        "staged_categories",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("category_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name="fk_staged_categories_task_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "number", name="pk_staged_categories"),
    )


def _report() -> None:
    """End the jobs of before: what they were given is known to no process any more."""
    tasks = sa.table(
        "tasks",
        sa.column("id", ID),
        sa.column("completed", sa.Boolean),
        sa.column("errors", sa.Integer),
    )
    logs = sa.table(
        "task_logs",
        sa.column("task_id", ID),
        sa.column("at", sa.BigInteger),
        sa.column("level", sa.Text),
        sa.column("line", sa.Text),
    )
    running = sa.select(
        tasks.c.id,
        sa.literal(time.time_ns() // 1_000_000, sa.BigInteger),
        sa.literal("ERROR"),
        sa.literal(INTERRUPTED),
    ).where(tasks.c.completed == sa.false())
    op.execute(logs.insert().from_select(["task_id", "at", "level", "line"], running))
    ended = tasks.update().where(tasks.c.completed == sa.false())
    op.execute(ended.values(completed=True, errors=tasks.c.errors + 1))
