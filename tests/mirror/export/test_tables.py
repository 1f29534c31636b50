"""Tables of a mirror, read by pyarrow, pandas and DuckDB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from pyarrow import parquet

from coir import InvalidRequest
from coir.mirror import Mirror
from coir.mirror.tables import TABLES
from coir.scan.arrays import arrow_schema

from .conftest import POINTS, Scene


@pytest.mark.parametrize("table", ["annotations", "images", "categories"])
def test_parquet_has_the_columns_that_are_promised(
    mirror: Mirror, tmp_path: Path, table: Any
) -> None:
    """pyarrow, pandas and DuckDB read the same rows, with the documented columns."""
    out = tmp_path / "table.parquet"
    mirror.export("parquet", out, table=table)
    read = parquet.read_table(out)
    assert read.schema.equals(arrow_schema(TABLES[table]))
    assert pd.read_parquet(out)["id"].tolist() == read["id"].to_pylist()
    counted = duckdb.sql(f"SELECT id FROM read_parquet('{out}')").fetchall()
    assert [one for (one,) in counted] == read["id"].to_pylist()


def test_csv_is_the_same_table(mirror: Mirror, tmp_path: Path) -> None:
    """pandas reads from CSV what it reads from Parquet."""
    for name in ("csv", "parquet"):
        mirror.export(name, tmp_path / f"all.{name}")
    lines, table = pd.read_csv(tmp_path / "all.csv"), pd.read_parquet(tmp_path / "all.parquet")
    assert list(lines.columns) == list(table.columns)
    for name in ("id", "file", "category", "bbox_x", "bbox_height", "area", "iscrowd",
                 "segmentation"):  # fmt: skip
        assert lines[name].tolist() == table[name].tolist()
    assert [json.loads(one) for one in lines["keypoints"]] == [[], [], [], POINTS, POINTS]
    assert [list(one) for one in table["keypoints"]][3] == POINTS


def test_tables_of_a_mirror_know_where_files_are(scene: Scene, mirror: Mirror) -> None:
    """Each table has its columns; a file is where it lies on this disk."""
    for name, columns in TABLES.items():
        assert mirror.table(name).schema.equals(arrow_schema(columns))
    images = mirror.table("images").to_pylist()
    assert [one["id"] for one in images] == sorted(scene.images.values())
    assert all(Path(one["file"]).stat().st_size == one["size"] for one in images)
    assert mirror.table("syncs")["mode"].to_pylist() == ["full"] or mirror.table("syncs").num_rows
    assert mirror.table("versions").num_rows >= len(images)
    with pytest.raises(InvalidRequest, match="no table 'birds'"):
        mirror.table("birds")
