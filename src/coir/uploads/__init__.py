"""Sends files to a dataset: what is chosen, what is there already, and what became of each."""

from coir.uploads.driver import upload, upload_async
from coir.uploads.report import Outcome, UploadPhase, UploadProgress, UploadReport

__all__ = [
    "Outcome",
    "UploadPhase",
    "UploadProgress",
    "UploadReport",
    "upload",
    "upload_async",
]
