"""datasets.layout goes up when an image comes, goes or is renamed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQLITE = (
    """
    CREATE TRIGGER images_laid_in AFTER INSERT ON images WHEN NOT NEW.deleted BEGIN
        UPDATE datasets SET layout = layout + 1 WHERE id = NEW.dataset_id;
    END
    """,
    """
    CREATE TRIGGER images_laid_out AFTER DELETE ON images WHEN NOT OLD.deleted BEGIN
        UPDATE datasets SET layout = layout + 1 WHERE id = OLD.dataset_id;
    END
    """,
    """
    CREATE TRIGGER images_laid_again AFTER UPDATE OF deleted, dataset_id, file_name ON images
    WHEN OLD.deleted <> NEW.deleted OR OLD.dataset_id <> NEW.dataset_id
        OR OLD.file_name <> NEW.file_name
    BEGIN
        UPDATE datasets SET layout = layout + 1 WHERE id IN (OLD.dataset_id, NEW.dataset_id);
    END
    """,
)

POSTGRES = (
    """
    CREATE FUNCTION images_laid() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            UPDATE datasets SET layout = layout + 1
                WHERE id IN (SELECT dataset_id FROM after WHERE NOT deleted);
        ELSIF TG_OP = 'DELETE' THEN
            UPDATE datasets SET layout = layout + 1
                WHERE id IN (SELECT dataset_id FROM before WHERE NOT deleted);
        ELSE
            UPDATE datasets SET layout = layout + 1
                WHERE id IN (
                    SELECT unnest(ARRAY[before.dataset_id, after.dataset_id])
                    FROM before JOIN after USING (id)
                    WHERE (before.deleted, before.dataset_id, before.file_name)
                        <> (after.deleted, after.dataset_id, after.file_name)
                );
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER images_laid_in AFTER INSERT ON images
        REFERENCING NEW TABLE AS after
        FOR EACH STATEMENT EXECUTE FUNCTION images_laid()
    """,
    """
    CREATE TRIGGER images_laid_out AFTER DELETE ON images
        REFERENCING OLD TABLE AS before
        FOR EACH STATEMENT EXECUTE FUNCTION images_laid()
    """,
    """
    CREATE TRIGGER images_laid_again AFTER UPDATE ON images
        REFERENCING OLD TABLE AS before NEW TABLE AS after
        FOR EACH STATEMENT EXECUTE FUNCTION images_laid()
    """,
)
LAYING = {"sqlite": SQLITE, "postgresql": POSTGRES}


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "datasets", sa.Column("layout", sa.BigInteger(), server_default="0", nullable=False)
    )
    for statement in LAYING[op.get_bind().dialect.name]:
        op.execute(statement)
