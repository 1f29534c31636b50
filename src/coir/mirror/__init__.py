"""Keeps a local copy of datasets: what differs is decided, then carried out."""

from coir.mirror.finding import Finding, Sign
from coir.mirror.mirror import Mirror
from coir.mirror.options import Options
from coir.mirror.plan import Limits, MaxDelete
from coir.mirror.report import SyncReport
from coir.mirror.trash import Emptied, Trash
from coir.mirror.verify import Verification

__all__ = ["Emptied", "Finding", "Limits", "MaxDelete", "Mirror", "Options", "Sign", "SyncReport",
           "Trash", "Verification"]  # fmt: skip
