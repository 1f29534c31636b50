"""The triggers join what a statement changed by sorting or hashing it, never row by row.

PostgreSQL keeps their plans as long as a connection, and makes them for as many rows as the first
statement changed. After a page save, the 5,000 images of an import took minutes.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FUNCTIONS = ("images_counted", "images_laid", "images_noted", "annotations_noted")


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        for name in FUNCTIONS:
            op.execute(f"ALTER FUNCTION {name}() SET enable_nestloop = off")
