"""The OpenAPI document against the server: what it allows, its edges, and what lies beyond."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .running import created, uploaded
from .serving import Serving

# All that does not ask what a value means: the contract takes more than it describes (any
# parameter of a listing is a filter), and refuses ids that lead nowhere. Nor what `Allow` names:
# as recorded, each path has GET among it, where there is nothing to read too (test_answers.py).
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
# Drawn for each operation, beside those that schemathesis makes of each field's edges: about
# half a minute on two cores.
EXAMPLES = 8
SEED = 20190701
SECONDS = 300


def scene(server: Serving) -> str:
    """A few things of each kind, with ids from 1, two users; the session that asks."""
    admin = server.user("admin")
    server.user("bob")
    for number in range(5):
        dataset = created(admin, f"set {number}", categories=["cat", f"category {number}"])
        image = uploaded(admin, dataset, "x.jpg").json()
        outline = [[1, 1, 9, 1, 9, 9]]
        given = {"image_id": image, "category_id": 1, "segmentation": outline}
        assert admin.post("/api/annotation/", json=given).status_code == 200
        assert admin.get(f"/api/dataset/{dataset}/export?categories=").status_code == 200
    return str(admin.cookies["session"])


@pytest.mark.slow
def test_generated_requests_are_answered_as_described(data: Path, tmp_path: Path) -> None:
    """Whatever is sent to any route, the server answers with a status and a type that the
    document names, and never with an error of its own. The same requests in each run."""
    server = Serving(data, "--log", "json")
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "run"]
    command.append(f"{server.url}/api/openapi.json")
    options = {
        "--url": server.url,
        "--header": f"Cookie: session={scene(server)}",
        "--exclude-path": "/api/user/logout",  # which would end the session that asks
        "--checks": ",".join(CHECKS),
        "--phases": "coverage,fuzzing",
        "--max-examples": str(EXAMPLES),
        "--seed": str(SEED),
        "--generation-database": "none",
        "--generation-with-security-parameters": "false",
    }
    done = subprocess.run(
        [*command, *(word for pair in options.items() for word in pair)],
        cwd=tmp_path,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "known_ids", "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.end()[0] == 0
    lines = server.lines(1)
    assert [line for line in lines if line["level"] == "error"] == []
    requests = [line for line in lines if line["message"] == "request"]
    statuses = Counter(line["status"] // 100 for line in requests)
    assert statuses[5] == 0
    # It is not all refused: most routes were reached with something they could do.
    reached = {line["route"] for line in requests if line["status"] == 200}
    assert len(reached) > 40, sorted(reached)
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested
    assert int(tested[1]) > 60, done.stdout
