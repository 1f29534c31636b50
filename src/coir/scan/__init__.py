"""Enumerates a dataset: a pure plan, a ledger that checks, a certificate that says what holds."""

from coir.scan.certificate import Certificate, Verdict
from coir.scan.driver import AsyncScan, Scan
from coir.scan.filter import Filter
from coir.scan.run import Progress

__all__ = ["AsyncScan", "Certificate", "Filter", "Progress", "Scan", "Verdict"]
