"""The tables. Timestamps are integers: milliseconds since 1970 in UTC, as the wire has them.

Ids are AUTOINCREMENT, on PostgreSQL of a sequence: they ascend and are never reused, also after a
row is gone, because a client's high-water mark and a mirror's tombstones rely on it.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)

# SQLite numbers rows itself only for the type INTEGER; PostgreSQL wants bigint.
Id = BigInteger().with_variant(Integer, "sqlite")
# What a filter may compare with any 64-bit number, which PostgreSQL refuses for its INTEGER.
Whole = Integer().with_variant(BigInteger(), "postgresql")
# Ordered by code points, as SQLite does it: a folder is a range of paths.
Words = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("oid", Text, nullable=False, unique=True),  # what the wire shows as {"$oid": …}
    Column("username", Text, nullable=False),
    Column("username_folded", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("name", Text),
    Column("email", Text),
    Column("is_admin", Boolean, nullable=False, default=False),
    Column("preferences", JSON, nullable=False, default=dict),
    Column("last_seen", BigInteger),
    Column("password_changed", Boolean, nullable=False, default=False, server_default=false()),
    Column("created_at", BigInteger, nullable=False),
    # Gone but for the name, which datasets and annotations show.
    Column("deleted", Boolean, nullable=False, default=False, server_default=false()),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),  # a copy of the database opens no session
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_sessions_user_id", "user_id"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("token_hash", Text, nullable=False, unique=True),  # as of sessions
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Index("ix_tokens_user_id", "user_id"),
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    Column("key", Text, primary_key=True),  # a hash of who tried, and from where
    Column("failures", Integer, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Index("ix_attempts_began_at", "began_at"),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("owner_id", Id, ForeignKey("users.id"), nullable=False),
    Column("categories", JSON, nullable=False, default=list),
    Column("default_annotation_metadata", JSON, nullable=False, default=dict),
    # The living images, and the annotated ones, counted by the triggers of the first migration:
    # every page of a dataset says how many there are, and counting 200,000 of them takes 10 ms.
    Column("num_images", BigInteger, nullable=False, server_default="0"),
    # Goes up when an image comes, goes or is renamed, by the triggers of `0005_layout`.
    Column("layout", BigInteger, nullable=False, server_default="0"),
    Column("num_annotated", BigInteger, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("deleted_date", BigInteger),
    # A job takes it away for good: nobody can bring it back.
    Column("removed", Boolean, nullable=False, default=False, server_default=false()),
    sqlite_autoincrement=True,
)

shares = Table(
    "shares",
    metadata,
    Column("dataset_id", Id, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_shares_user_id", "user_id"),
)

categories = Table(
    "categories",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("supercategory", Text, nullable=False, default=""),
    Column("color", Text),
    Column("metadata", JSON, nullable=False, default=dict),
    Column("creator_id", Id, ForeignKey("users.id"), nullable=False),
    Column("keypoint_edges", JSON, nullable=False, default=list),
    Column("keypoint_labels", JSON, nullable=False, default=list),
    Column("keypoint_colors", JSON, nullable=False, default=list),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("deleted_date", BigInteger),
    UniqueConstraint("creator_id", "name"),
    sqlite_autoincrement=True,
)

images = Table(
    "images",
    metadata,
    Column("id", Id, primary_key=True),
    Column("dataset_id", Id, ForeignKey("datasets.id"), nullable=False),
    Column("path", Words, nullable=False),  # /datasets/NAME/…, as the wire shows it
    Column("file_name", Words, nullable=False),
    Column("width", Whole, nullable=False),
    Column("height", Whole, nullable=False),
    Column("annotated", Boolean, nullable=False, default=False),
    Column("num_annotations", Whole, nullable=False, default=0),
    Column("category_ids", JSON, nullable=False, default=list),
    Column("metadata", JSON, nullable=False, default=dict),
    Column("milliseconds", BigInteger, nullable=False, default=0),
    Column("events", JSON, nullable=False, default=list),
    Column("regenerate_thumbnail", Boolean, nullable=False, default=False),
    Column("license", Whole),
    Column("coco_url", Words),
    Column("image_url", Words),
    Column("thumbnail_url", Words),
    Column("date_captured", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("deleted_date", BigInteger),
    # The file as a scan or an upload found it last: its stamp, and the sample that tells a move.
    Column("file_size", BigInteger),
    Column("file_mtime_ns", BigInteger),
    Column("file_sample", Text),
    # A scan did not find the file. The image stays in every list: it has work in it.
    Column("vanished", Boolean, nullable=False, default=False, server_default=false()),
    # One image for each file; also the order by path, and a folder as a range of paths.
    UniqueConstraint("dataset_id", "path"),
    # A window (id__gte, id__lt) is counted on this index alone and read along it. `deleted` is a
    # column and not the condition of a partial index: SQLite then counts without the table
    # (200,000 images: 4 ms instead of 13).
    Index("ix_images_dataset_id_deleted_id", "dataset_id", "deleted", "id"),
    # The default order, ties broken by id.
    Index("ix_images_dataset_id_deleted_file_name_id", "dataset_id", "deleted", "file_name", "id"),
    sqlite_autoincrement=True,
)

annotations = Table(
    "annotations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("image_id", Id, ForeignKey("images.id"), nullable=False),
    Column("dataset_id", Id, ForeignKey("datasets.id"), nullable=False),
    Column("category_id", BigInteger),  # the contract takes a category that does not exist
    Column("segmentation", JSON, nullable=False, default=list),
    Column("area", Float, nullable=False, default=0),
    Column("bbox", JSON, nullable=False, default=lambda: [0, 0, 0, 0]),
    Column("iscrowd", Boolean, nullable=False, default=False),
    Column("isbbox", Boolean, nullable=False, default=False),
    Column("creator_id", Id, ForeignKey("users.id"), nullable=False),
    Column("color", Text),
    Column("keypoints", JSON, nullable=False, default=list),
    Column("metadata", JSON, nullable=False, default=dict),
    Column("paper_object", JSON, nullable=False, default=list),
    Column("milliseconds", BigInteger, nullable=False, default=0),
    Column("events", JSON, nullable=False, default=list),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("deleted_date", BigInteger),
    # The counters of an image and the category filters ask for its living annotations.
    Index("ix_annotations_image_id_deleted_category_id", "image_id", "deleted", "category_id"),
    Index("ix_annotations_dataset_id", "dataset_id"),
    sqlite_autoincrement=True,
)
tasks = Table(
    "tasks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False),  # what the wire calls celery_id
    Column("group", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("dataset_id", Id, ForeignKey("datasets.id")),
    Column("creator_id", Id, ForeignKey("users.id"), nullable=False),
    Column("completed", Boolean, nullable=False, default=False),
    Column("progress", Float, nullable=False, default=0),
    Column("errors", Integer, nullable=False, default=0),
    Column("warnings", Integer, nullable=False, default=0),
    Column("created_at", BigInteger, nullable=False),
    # What any process needs to run it; a row without a kind is none that can be run.
    Column("kind", Text),
    Column("arguments", JSON, nullable=False, default=dict, server_default="{}"),
    Column("attempts", Integer, nullable=False, default=0, server_default="0"),
    # Who runs it, and until when nobody else may; a name for each attempt.
    Column("runner", Text),
    Column("leased_until", BigInteger),
    Column("cancelled", Boolean, nullable=False, default=False, server_default=false()),
    sqlite_autoincrement=True,
)

task_logs = Table(
    "task_logs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("level", Text, nullable=False),
    Column("line", Text, nullable=False),
    Index("ix_task_logs_task_id", "task_id"),
)

# Who annotates which image now: leases of the processes that hold the connections.
presence = Table(
    "presence",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("holder", Text, nullable=False),  # the process
    Column("dataset_id", Id, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("image_id", Id, ForeignKey("images.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_presence_dataset_id", "dataset_id"),
    Index("ix_presence_image_id", "image_id"),
)

exports = Table(
    "exports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("dataset_id", Id, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("path", Text, nullable=False),  # as of images: /datasets/NAME/…
    Column("tags", JSON, nullable=False, default=list),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_exports_dataset_id", "dataset_id"),
    sqlite_autoincrement=True,
)

# Written by the triggers of the migration that made it, and by nothing else (docs/changes.md).
changes = Table(
    "changes",
    metadata,
    Column("seq", Id, primary_key=True),
    Column("xid", BigInteger, nullable=False),  # of the transaction; 0 on SQLite
    Column("dataset_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("item_id", Id, nullable=False),
    Column("image_id", Id),
    Column("change", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_changes_dataset_id_xid_seq", "dataset_id", "xid", "seq"),
    sqlite_autoincrement=True,
)

# One row: which feed the cursors are of, and up to where its entries are gone.
feed = Table(
    "feed",
    metadata,
    Column("key", Text, primary_key=True),
    Column("floor_xid", BigInteger, nullable=False),
    Column("floor_seq", BigInteger, nullable=False),
)

# What an import has read and not yet moved to `annotations`, where it would be seen.
staged_annotations = Table(
    "staged_annotations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("image_id", BigInteger, nullable=False),
    Column("category", BigInteger, nullable=False),  # its number in `staged_categories`
    Column("segmentation", JSON, nullable=False),
    Column("area", Float, nullable=False),
    Column("bbox", JSON, nullable=False),
    Column("iscrowd", Boolean, nullable=False),
    Column("isbbox", Boolean, nullable=False),
    Column("color", Text, nullable=False),
    Column("keypoints", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Index("ix_staged_annotations_task_id", "task_id"),
)

# Which category here each one of a file is, known at the end, when new ones are made.
staged_categories = Table(
    "staged_categories",
    metadata,
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("category_id", BigInteger, nullable=False),
)
