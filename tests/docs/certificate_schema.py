"""Writes docs/certificate.schema.json: ``python -m tests.docs.certificate_schema``."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

import coir

PAGE = Path(__file__).resolve().parents[2] / "docs" / "certificate.schema.json"


def rendered() -> str:
    """The schema of a certificate, as the type has it now."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A certificate of coir",
        **msgspec.json.schema(coir.Certificate),
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
