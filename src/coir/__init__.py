"""Everything out of COCO-Annotator: complete, fast and with proof.

import coir

with coir.connect("http://localhost:5000", username="admin", password="…") as server:
    scan = coir.Scan(server.dataset("birds"))
    ids = scan.ids()
    print(scan.certificate.words())
"""

from coir.client import AsyncDataset, AsyncServer, Dataset, Server, connect, connect_async
from coir.errors import (
    AuthenticationFailed,
    CoirError,
    ConnectionFailed,
    DatasetNotFound,
    IncompleteScan,
    IncompleteSync,
    IncompleteUpload,
    InvalidRequest,
    MirrorBusy,
    PermissionDenied,
    ServerFailed,
    SyncStopped,
    TLSFailed,
    UnexpectedAnswer,
)
from coir.listing import get_all_image_ids
from coir.mirror import Limits as SyncLimits
from coir.mirror import MaxDelete, Mirror, SyncReport
from coir.mirror import Options as SyncOptions
from coir.model import DatasetInfo, Image, ServerInfo
from coir.scan import AsyncScan, Certificate, Filter, Progress, Scan, Verdict
from coir.uploads import UploadProgress, UploadReport, upload, upload_async
from coir.version import __version__

__all__ = [
    "AsyncDataset",
    "AsyncScan",
    "AsyncServer",
    "AuthenticationFailed",
    "Certificate",
    "CoirError",
    "ConnectionFailed",
    "Dataset",
    "DatasetInfo",
    "DatasetNotFound",
    "Filter",
    "Image",
    "IncompleteScan",
    "IncompleteSync",
    "IncompleteUpload",
    "InvalidRequest",
    "MaxDelete",
    "Mirror",
    "MirrorBusy",
    "PermissionDenied",
    "Progress",
    "Scan",
    "Server",
    "ServerFailed",
    "ServerInfo",
    "SyncLimits",
    "SyncOptions",
    "SyncReport",
    "SyncStopped",
    "TLSFailed",
    "UnexpectedAnswer",
    "UploadProgress",
    "UploadReport",
    "Verdict",
    "__version__",
    "connect",
    "connect_async",
    "get_all_image_ids",
    "upload",
    "upload_async",
]
