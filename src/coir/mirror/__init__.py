"""Keeps a local copy of datasets: what differs is decided, then carried out."""

from coir.mirror.mirror import Mirror
from coir.mirror.options import Options
from coir.mirror.plan import Limits, MaxDelete
from coir.mirror.report import SyncReport

__all__ = ["Limits", "MaxDelete", "Mirror", "Options", "SyncReport"]
