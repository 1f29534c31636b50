"""Ten million ids fit into memory comfortably."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A process of its own, so that its peak is its own.
PROGRAM = """
import resource
from coir.client.exchange import Answer, Request
from coir.client.idlist import id_list
from coir.scan.ask import Reply
from coir.scan.ledger import Ledger
from coir.scan.snapshot_plan import SnapshotPlan

COUNT = 10_000_000
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
parts = [b",".join(b"%d" % i for i in range(s, s + 100_000)) for s in range(1, COUNT, 100_000)]
body = b'{"total":%d,"query":{},"ids":[%b]}' % (COUNT, b",".join(parts))
del parts
given = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
plan = SnapshotPlan(Ledger())
(ask,) = plan.asks()
found = id_list(Request("GET", "/ids"), Answer(200, {}, body, 1.0))
plan.answered(ask, Reply(found.total, found.ids, seconds=1.0))
plan.take()
assert len(plan.ledger.ids) == COUNT
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((peak - given) // 1024, len(body) // 2**20)
"""


@pytest.mark.slow
def test_ten_million_ids() -> None:
    """Beyond the answer itself they take little more than 8 bytes each, three times at the most."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True
    )
    grown, body = map(int, done.stdout.split())
    assert body > 70
    assert grown < 3 * 80
