"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

# datasets.num_images and num_annotated count its living images, whoever writes the images.
SQLITE = (
    """
    CREATE TRIGGER images_counted_in AFTER INSERT ON images WHEN NOT NEW.deleted BEGIN
        UPDATE datasets
            SET num_images = num_images + 1, num_annotated = num_annotated + NEW.annotated
            WHERE id = NEW.dataset_id;
    END
    """,
    """
    CREATE TRIGGER images_counted_out AFTER DELETE ON images WHEN NOT OLD.deleted BEGIN
        UPDATE datasets
            SET num_images = num_images - 1, num_annotated = num_annotated - OLD.annotated
            WHERE id = OLD.dataset_id;
    END
    """,
    """
    CREATE TRIGGER images_counted_again
    AFTER UPDATE OF deleted, dataset_id, annotated ON images
    WHEN OLD.deleted <> NEW.deleted OR OLD.dataset_id <> NEW.dataset_id
        OR OLD.annotated <> NEW.annotated
    BEGIN
        UPDATE datasets
            SET num_images = num_images - 1, num_annotated = num_annotated - OLD.annotated
            WHERE id = OLD.dataset_id AND NOT OLD.deleted;
        UPDATE datasets
            SET num_images = num_images + 1, num_annotated = num_annotated + NEW.annotated
            WHERE id = NEW.dataset_id AND NOT NEW.deleted;
    END
    """,
)

# Once for each statement, not for each row: a dataset's row that is written again and again in one
# transaction becomes slow.
POSTGRES = (
    """
    CREATE FUNCTION images_counted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            UPDATE datasets
                SET num_images = num_images + moved.images,
                    num_annotated = num_annotated + moved.marked
                FROM (
                    SELECT dataset_id, count(*) AS images, sum(annotated::int) AS marked
                    FROM after WHERE NOT deleted GROUP BY dataset_id
                ) AS moved
                WHERE id = moved.dataset_id;
        ELSIF TG_OP = 'DELETE' THEN
            UPDATE datasets
                SET num_images = num_images - moved.images,
                    num_annotated = num_annotated - moved.marked
                FROM (
                    SELECT dataset_id, count(*) AS images, sum(annotated::int) AS marked
                    FROM before WHERE NOT deleted GROUP BY dataset_id
                ) AS moved
                WHERE id = moved.dataset_id;
        ELSE
            UPDATE datasets
                SET num_images = num_images + moved.images,
                    num_annotated = num_annotated + moved.marked
                FROM (
                    SELECT dataset_id, sum(one) AS images, sum(one * annotated::int) AS marked
                    FROM (
                        SELECT dataset_id, annotated, 1 AS one FROM after WHERE NOT deleted
                        UNION ALL
                        SELECT dataset_id, annotated, -1 FROM before WHERE NOT deleted
                    ) AS rows
                    GROUP BY dataset_id
                    HAVING sum(one) <> 0 OR sum(one * annotated::int) <> 0
                ) AS moved
                WHERE id = moved.dataset_id;
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER images_counted_in AFTER INSERT ON images
        REFERENCING NEW TABLE AS after
        FOR EACH STATEMENT EXECUTE FUNCTION images_counted()
    """,
    """
    CREATE TRIGGER images_counted_out AFTER DELETE ON images
        REFERENCING OLD TABLE AS before
        FOR EACH STATEMENT EXECUTE FUNCTION images_counted()
    """,
    """
    CREATE TRIGGER images_counted_again AFTER UPDATE ON images
        REFERENCING OLD TABLE AS before NEW TABLE AS after
        FOR EACH STATEMENT EXECUTE FUNCTION images_counted()
    """,
)
COUNTING = {"sqlite": SQLITE, "postgresql": POSTGRES}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("oid", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("username_folded", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("preferences", sa.JSON(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("oid", name=op.f("uq_users_oid")),
        sa.UniqueConstraint("username_folded", name=op.f("uq_users_username_folded")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "categories",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("supercategory", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("creator_id", ID, nullable=False),
        sa.Column("keypoint_edges", sa.JSON(), nullable=False),
        sa.Column("keypoint_labels", sa.JSON(), nullable=False),
        sa.Column("keypoint_colors", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("deleted_date", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name=op.f("fk_categories_creator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("creator_id", "name", name=op.f("uq_categories_creator_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "datasets",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("default_annotation_metadata", sa.JSON(), nullable=False),
        sa.Column("num_images", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("num_annotated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("deleted_date", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_datasets_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index("ix_sessions_user_id", ["user_id"], unique=False)

    op.create_table(
        "images",
        sa.Column("id", ID, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("path", WORDS, nullable=False),
        sa.Column("file_name", WORDS, nullable=False),
        sa.Column("width", WHOLE, nullable=False),
        sa.Column("height", WHOLE, nullable=False),
        sa.Column("annotated", sa.Boolean(), nullable=False),
        sa.Column("num_annotations", WHOLE, nullable=False),
        sa.Column("category_ids", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("regenerate_thumbnail", sa.Boolean(), nullable=False),
        sa.Column("license", WHOLE, nullable=True),
        sa.Column("coco_url", WORDS, nullable=True),
        sa.Column("image_url", WORDS, nullable=True),
        sa.Column("thumbnail_url", WORDS, nullable=True),
        sa.Column("date_captured", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("deleted_date", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_images_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("dataset_id", "path", name=op.f("uq_images_dataset_id_path")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.create_index(
            "ix_images_dataset_id_deleted_file_name_id",
            ["dataset_id", "deleted", "file_name", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_images_dataset_id_deleted_id", ["dataset_id", "deleted", "id"], unique=False
        )

    op.create_table(
        "shares",
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_shares_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_shares_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "user_id", name=op.f("pk_shares")),
    )
    with op.batch_alter_table("shares", schema=None) as batch_op:
        batch_op.create_index("ix_shares_user_id", ["user_id"], unique=False)

    op.create_table(
        "tasks",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dataset_id", ID, nullable=True),
        sa.Column("creator_id", ID, nullable=False),
        sa.Column("completed", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name=op.f("fk_tasks_creator_id")),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_tasks_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "annotations",
        sa.Column("id", ID, nullable=False),
        sa.Column("image_id", ID, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("category_id", sa.BigInteger(), nullable=True),
        sa.Column("segmentation", sa.JSON(), nullable=False),
        sa.Column("area", sa.Float(), nullable=False),
        sa.Column("bbox", sa.JSON(), nullable=False),
        sa.Column("iscrowd", sa.Boolean(), nullable=False),
        sa.Column("isbbox", sa.Boolean(), nullable=False),
        sa.Column("creator_id", ID, nullable=False),
        sa.Column("color", sa.Text(), nullable=True),
        sa.Column("keypoints", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("paper_object", sa.JSON(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("deleted_date", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name=op.f("fk_annotations_creator_id")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_annotations_dataset_id")
        ),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_annotations_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotations")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("annotations", schema=None) as batch_op:
        batch_op.create_index("ix_annotations_dataset_id", ["dataset_id"], unique=False)
        batch_op.create_index(
            "ix_annotations_image_id_deleted_category_id",
            ["image_id", "deleted", "category_id"],
            unique=False,
        )

    op.create_table(
        "task_logs",
        sa.Column("id", ID, nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_task_logs_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_logs")),
    )
    with op.batch_alter_table("task_logs", schema=None) as batch_op:
        batch_op.create_index("ix_task_logs_task_id", ["task_id"], unique=False)
    for trigger in COUNTING[op.get_bind().dialect.name]:
        op.execute(trigger)
