"""Talks to a server: addresses, credentials, transport, and one operation per route."""

from coir.client.connection import (
    AsyncDataset,
    AsyncServer,
    Dataset,
    Server,
    connect,
    connect_async,
)

__all__ = ["AsyncDataset", "AsyncServer", "Dataset", "Server", "connect", "connect_async"]
