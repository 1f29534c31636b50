"""The formats in which a mirror is exported; README.md says how to add one."""

from collections.abc import Callable, Mapping
from typing import BinaryIO

from coir.mirror.export import Export
from coir.mirror.formats import coco, csv_file, parquet

__all__ = ["FORMATS"]

FORMATS: Mapping[str, Callable[[Export, BinaryIO], None]] = {
    "coco": coco.write,
    "parquet": parquet.write,
    "csv": csv_file.write,
}
