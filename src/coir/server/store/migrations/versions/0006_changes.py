"""The change feed: entries that triggers write, whoever changes the tables."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# What an image and an annotation are: a change of any of it is noted. (On PostgreSQL whole rows
# are compared.)
COLUMNS = {
    "images": (
        *("dataset_id", "path", "file_name", "width", "height", "annotated", "num_annotations"),
        *("category_ids", "metadata", "milliseconds", "events", "regenerate_thumbnail", "license"),
        *("coco_url", "image_url", "thumbnail_url", "date_captured", "created_at", "deleted"),
        "deleted_date",
    ),
    "annotations": (
        *("image_id", "dataset_id", "category_id", "segmentation", "area", "bbox", "iscrowd"),
        *("isbbox", "creator_id", "color", "keypoints", "metadata", "paper_object"),
        *("milliseconds", "events", "created_at", "deleted", "deleted_date"),
    ),
    "categories": (
        *("name", "supercategory", "color", "metadata", "creator_id", "keypoint_edges"),
        *("keypoint_labels", "keypoint_colors", "created_at", "deleted", "deleted_date"),
    ),
}
KINDS = {"images": "image", "annotations": "annotation"}
IMAGE_ID = {"images": "NULL", "annotations": "{row}.image_id"}

INTO = "INSERT INTO changes (xid, dataset_id, kind, item_id, image_id, change, at)"
CHANGE = """CASE WHEN {new}.deleted AND NOT {old}.deleted THEN 'deleted'
            WHEN {old}.deleted AND NOT {new}.deleted THEN 'restored' ELSE 'changed' END"""


def _sqlite() -> list[str]:
    """One writer at a time: the numbers of the entries are in the order of the commits."""
    now = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
    made = []
    for table, kind in KINDS.items():
        new, old = (IMAGE_ID[table].format(row=row) for row in ("NEW", "OLD"))
        differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in COLUMNS[table])
        change = CHANGE.format(new="NEW", old="OLD")
        made += [
            f"""CREATE TRIGGER {table}_created AFTER INSERT ON {table} BEGIN
            {INTO} VALUES (0, NEW.dataset_id, '{kind}', NEW.id, {new}, 'created', {now}); END""",
            f"""CREATE TRIGGER {table}_changed AFTER UPDATE ON {table} WHEN {differs} BEGIN
            {INTO} VALUES (0, NEW.dataset_id, '{kind}', NEW.id, {new}, {change}, {now}); END""",
            # What goes with its dataset is nobody's to follow.
            f"""CREATE TRIGGER {table}_removed AFTER DELETE ON {table}
            WHEN (SELECT NOT deleted FROM datasets WHERE id = OLD.dataset_id) BEGIN
            {INTO} VALUES (0, OLD.dataset_id, '{kind}', OLD.id, {old}, 'removed', {now}); END""",
        ]
    differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in COLUMNS["categories"])
    listing = "FROM datasets, json_each(datasets.categories) AS one WHERE one.value ="
    entry = "SELECT 0, {dataset}, 'category', {item}, NULL, {change}, {now}"
    created = entry.format(dataset="NEW.id", item="one.value", change="'created'", now=now)
    removed = entry.format(dataset="NEW.id", item="one.value", change="'removed'", now=now)
    changed = entry.format(
        dataset="datasets.id",
        item="NEW.id",
        change=CHANGE.format(new="NEW", old="OLD"),
        now=now,
    )
    gone = entry.format(dataset="datasets.id", item="OLD.id", change="'removed'", now=now)
    of_new, of_old = (f"json_each({row}.categories)" for row in ("NEW", "OLD"))
    return [
        *made,
        f"""CREATE TRIGGER datasets_listing AFTER INSERT ON datasets BEGIN
        {INTO} {created} FROM {of_new} AS one; END""",
        f"""CREATE TRIGGER datasets_listing_again AFTER UPDATE OF categories ON datasets BEGIN
        {INTO} {created} FROM {of_new} AS one
            WHERE one.value NOT IN (SELECT value FROM {of_old});
        {INTO} {removed} FROM {of_old} AS one
            WHERE one.value NOT IN (SELECT value FROM {of_new}); END""",
        f"""CREATE TRIGGER categories_changed AFTER UPDATE ON categories WHEN {differs} BEGIN
        {INTO} {changed} {listing} NEW.id; END""",
        f"""CREATE TRIGGER categories_removed AFTER DELETE ON categories BEGIN
        {INTO} {gone} {listing} OLD.id; END""",
        """CREATE TRIGGER datasets_forgotten AFTER DELETE ON datasets BEGIN
        DELETE FROM changes WHERE dataset_id = OLD.id; END""",
    ]


def _postgres() -> list[str]:
    """Entries carry the number of their transaction: what is shown has none that may still commit.

    For many rows once for each statement.
    """
    declared = """DECLARE
        me bigint := pg_current_xact_id()::text::bigint;
        moment bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;"""
    made = []
    for table, kind in KINDS.items():
        image_id = IMAGE_ID[table]
        change = CHANGE.format(new="a", old="b")
        made += [
            f"""CREATE FUNCTION {table}_noted() RETURNS trigger LANGUAGE plpgsql AS $$
            {declared}
            BEGIN
            IF TG_OP = 'INSERT' THEN
                {INTO} SELECT me, a.dataset_id, '{kind}', a.id, {image_id.format(row="a")},
                    'created', moment FROM after AS a ORDER BY a.id;
            ELSIF TG_OP = 'UPDATE' THEN
                {INTO} SELECT me, a.dataset_id, '{kind}', a.id, {image_id.format(row="a")},
                    {change}, moment FROM after AS a JOIN before AS b ON a.id = b.id
                    WHERE a *<> b ORDER BY a.id;
            ELSE
                {INTO} SELECT me, b.dataset_id, '{kind}', b.id, {image_id.format(row="b")},
                    'removed', moment FROM before AS b JOIN datasets ON datasets.id = b.dataset_id
                    WHERE NOT datasets.deleted ORDER BY b.id;
            END IF;
            RETURN NULL;
            END $$""",
            f"""CREATE TRIGGER {table}_created AFTER INSERT ON {table} REFERENCING NEW TABLE AS
            after FOR EACH STATEMENT EXECUTE FUNCTION {table}_noted()""",
            f"""CREATE TRIGGER {table}_changed AFTER UPDATE ON {table} REFERENCING OLD TABLE AS
            before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION {table}_noted()""",
            f"""CREATE TRIGGER {table}_removed AFTER DELETE ON {table} REFERENCING OLD TABLE AS
            before FOR EACH STATEMENT EXECUTE FUNCTION {table}_noted()""",
        ]
    of_new, of_old, of_all = (
        f"SELECT value::bigint FROM json_array_elements_text({row}.categories)"
        for row in ("NEW", "OLD", "datasets")
    )
    return [
        *made,
        f"""CREATE FUNCTION datasets_noted() RETURNS trigger LANGUAGE plpgsql AS $$
        {declared}
        BEGIN
        IF TG_OP = 'INSERT' THEN
            {INTO} SELECT me, NEW.id, 'category', value, NULL, 'created', moment
                FROM ({of_new}) AS one;
        ELSIF TG_OP = 'UPDATE' THEN
            {INTO} SELECT me, NEW.id, 'category', value, NULL, 'created', moment
                FROM ({of_new} EXCEPT {of_old}) AS one ORDER BY value;
            {INTO} SELECT me, NEW.id, 'category', value, NULL, 'removed', moment
                FROM ({of_old} EXCEPT {of_new}) AS one ORDER BY value;
        ELSE
            DELETE FROM changes WHERE dataset_id = OLD.id;
        END IF;
        RETURN NULL;
        END $$""",
        """CREATE TRIGGER datasets_listing AFTER INSERT OR DELETE OR UPDATE OF categories
        ON datasets FOR EACH ROW EXECUTE FUNCTION datasets_noted()""",
        f"""CREATE FUNCTION categories_noted() RETURNS trigger LANGUAGE plpgsql AS $$
        {declared}
        BEGIN
        IF TG_OP = 'UPDATE' THEN
            {INTO} SELECT me, datasets.id, 'category', NEW.id, NULL,
                {CHANGE.format(new="NEW", old="OLD")}, moment
                FROM datasets WHERE NEW.id IN ({of_all});
        ELSE
            {INTO} SELECT me, datasets.id, 'category', OLD.id, NULL, 'removed', moment
                FROM datasets WHERE OLD.id IN ({of_all});
        END IF;
        RETURN NULL;
        END $$""",
        """CREATE TRIGGER categories_changed AFTER UPDATE ON categories FOR EACH ROW
        WHEN (OLD.* *<> NEW.*) EXECUTE FUNCTION categories_noted()""",
        """CREATE TRIGGER categories_removed AFTER DELETE ON categories FOR EACH ROW
        EXECUTE FUNCTION categories_noted()""",
    ]


TRIGGERS = {"sqlite": _sqlite, "postgresql": _postgres}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "changes",
        sa.Column("seq", ID, nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("image_id", ID, nullable=True),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_changes_dataset_id_xid_seq", "changes", ["dataset_id", "xid", "seq"])
    op.create_table(
        "feed",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("floor_xid", sa.BigInteger(), nullable=False),
        sa.Column("floor_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_feed")),
    )
    for statement in TRIGGERS[op.get_bind().dialect.name]():
        op.execute(statement)
