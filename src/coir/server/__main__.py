"""Starts the server: ``python -m coir.server --data DIR [--host HOST] [--port PORT]``."""

import argparse
import os
import sys
from pathlib import Path

from coir.server.process import serve
from coir.server.settings import Settings, StartError


def main() -> int:
    """Serve until a signal ends it; the exit code is 0 after a graceful end."""
    parser = argparse.ArgumentParser(prog="python -m coir.server")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--database", default=os.environ.get("COIR_DATABASE", ""))
    parser.add_argument("--no-jobs", dest="jobs", action="store_false")
    given = parser.parse_args()
    try:
        return serve(Settings.of(**vars(given)))
    except StartError as error:
        sys.stderr.write(f"coir cannot serve: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
