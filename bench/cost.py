"""What a measurement costs: processor time of the server, memory of the client."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["busy_seconds", "cpu_seconds", "descendants", "listeners", "name_of", "peak_memory_mb"]

LISTEN = "0A"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def listeners(url: str) -> list[int]:
    """Give the processes of this machine that listen at the address; empty for elsewhere."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK or not Path("/proc/net/tcp").exists():
        return []
    inodes = _listening(parts.port or socket.getservbyname(parts.scheme))
    sockets = {f"socket:[{inode}]" for inode in inodes}
    return [pid for pid in _processes() if sockets & _descriptors(pid)]


def descendants(pids: Sequence[int]) -> list[int]:
    """Give the processes and all that they have started."""
    parents = {pid: int(_stat(pid)[1]) for pid in _processes() if _stat(pid)}
    found = list(pids)
    for one in found:  # grows while it is walked
        found += [pid for pid, parent in parents.items() if parent == one and pid not in found]
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """Give the processor seconds that these processes have used, in user and kernel mode."""
    ticks = 0
    for pid in pids:
        if stat := _stat(pid):
            ticks += int(stat[11]) + int(stat[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def busy_seconds() -> float:
    """Give the processor seconds that all processes of the machine have used; 0 if unknown."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split(maxsplit=8)
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def name_of(pid: int) -> str:
    """Give the name that a process shows."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return str(pid)


def peak_memory_mb() -> float | None:
    """Give the most memory that this process ever held, in MB; None where nothing tells."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    # Not getrusage: its figure begins with that of the parent process.
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def _listening(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net", table)
        for line in path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _descriptors(pid: int) -> set[str]:
    try:
        return {str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:  # it has ended, or belongs to somebody else
        return set()


def _stat(pid: int) -> list[str]:
    """Give the fields of /proc/PID/stat after the name, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []
