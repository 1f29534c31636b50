"""What users may rely on: the public names, and what importing them costs."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import coir

from .project import ROOT, name_of, needed_by

PUBLIC = [
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
IMPORTED = """
import json, sys
import coir, coir.cli
print(json.dumps(sorted(sys.modules)))
"""


def test_the_public_names_are_these() -> None:
    """Nobody adds or removes a public name in passing."""
    assert coir.__all__ == PUBLIC
    assert [name for name in PUBLIC if not hasattr(coir, name)] == []


def test_importing_coir_imports_nothing_of_an_extra() -> None:
    """coir and its command line load only what the plain install brings."""
    shown = subprocess.run(
        [sys.executable, "-I", "-c", IMPORTED], capture_output=True, text=True, check=True
    )
    # The package `backports` is many distributions': httpx2 looks into it for zstd, and takes it.
    found = json.loads(shown.stdout)
    modules = {one for one in found if one.partition(".")[0] != "backports"}
    assert "coir.scan" in modules
    assert [one for one in modules if one.startswith("coir.server")] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    plain = needed_by(project["dependencies"]) | {"coir"}
    listed = [one for extra in project["optional-dependencies"].values() for one in extra]
    extras = needed_by(one for one in listed if name_of(one) != "coir")
    assert {"fastapi", "sqlalchemy"} <= extras - plain
    owners = packages_distributions()
    loaded = {
        name_of(owner)
        for top in {one.partition(".")[0] for one in modules}
        for owner in owners.get(top, [])
    }
    assert loaded & (extras - plain) == set()
