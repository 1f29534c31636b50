"""Everything out of COCO-Annotator: complete, fast and with proof.

import coir

with coir.connect("http://localhost:5000", username="admin", password="…") as server:
    scan = coir.Scan(server.dataset("birds"))
    ids = scan.ids()
    print(scan.certificate.words())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from coir.version import __version__

if TYPE_CHECKING:
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

# Where the names are, and what is called otherwise there.
HOMES = (
    "coir.errors",
    "coir.model",
    "coir.client",
    "coir.scan",
    "coir.uploads",
    "coir.mirror",
    "coir.listing",
)
RENAMED = {"SyncLimits": "Limits", "SyncOptions": "Options"}

if not TYPE_CHECKING:  # there the imports above say what each name is

    def __getattr__(name: str) -> Any:
        """Import what a public name stands for when it is first used.

        A server needs nothing of the client, a listing nothing of the mirror: imported all at once,
        they were a quarter of the time in which a server starts.
        """
        if name in __all__:
            there = RENAMED.get(name, name)
            for home in map(import_module, HOMES):
                if there in home.__all__:
                    value = globals()[name] = getattr(home, there)
                    return value
        raise AttributeError(f"module 'coir' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(__all__)
