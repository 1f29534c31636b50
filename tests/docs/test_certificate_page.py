"""docs/certificate.md and its schema say what certificates are."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import coir
from client.misbehaving import DATA, Asked, Misbehaving, Reply, listing
from client.misbehaving import json as answer

from .certificate_schema import PAGE, rendered
from .pages import blocks, read

ROWS = re.findall(r"^\| (`[^|]+`) \| ([a-z ]+) \| \S", read("docs/certificate.md"), re.MULTILINE)
KINDS = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list,
         "null": type(None)}  # fmt: skip


def test_the_schema_is_current() -> None:
    """The schema is that of the type; `python -m tests.docs.certificate_schema`."""
    assert PAGE.read_text(encoding="utf-8") == rendered()


def problems(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """What is wrong with a value; of JSON Schema, as much as this schema uses."""
    known = {"$ref", "$defs", "$schema", "title", "description", "default", "anyOf", "enum", "type",
             "items", "properties", "required"}  # fmt: skip
    assert schema.keys() <= known
    found = []
    if "$ref" in schema:
        found += problems(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
    if "anyOf" in schema and all(problems(value, one) for one in schema["anyOf"]):
        found.append(f"{where} is none of {schema['anyOf']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is none of {schema['enum']}")
    if "type" in schema and not isinstance(value, KINDS[schema["type"]]):
        return [f"{where} is no {schema['type']}"]
    if isinstance(value, list):
        for one in value:
            found += problems(one, schema.get("items", {}), f"{where}[]")
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{where}.{name} is missing" for name in schema["required"] if name not in value]
        found += [f"{where}.{name} is unknown" for name in value.keys() - schema["properties"]]
        for name in value.keys() & schema["properties"]:
            found += problems(value[name], schema["properties"][name], f"{where}.{name}")
    return found


SCHEMA = json.loads(PAGE.read_bytes())


def test_the_check_finds_what_is_wrong() -> None:
    """A certificate that is not one does not pass."""
    good = json.loads(blocks("docs/certificate.md")[-1].text)
    for wrong in ({"count": "3"}, {"verdict": "sure"}, {"moved": [{"start": 1}]}, {"since": 3},
                  {"newest_ids": ["1"]}, {"more": 1}):  # fmt: skip
        assert problems(good | wrong, SCHEMA), wrong
    assert problems({name: good[name] for name in good if name != "count"}, SCHEMA)


def _certificates() -> Iterator[tuple[str, coir.Certificate]]:
    """Real ones, of each verdict."""
    have = range(5, 9_000)

    def breaks(asked: Asked) -> Reply:
        later = int(asked.params.get("id__gte", 0)) > 3_000 and asked.params["limit"] != "1"
        return answer({}, 500) if later else listing(have)(asked)

    def changes(asked: Asked) -> Reply:
        closing = asked.params["limit"] == "1" and int(asked.params.get("id__gte", 1)) == 0
        return listing(have[10:] if closing else have)(asked)

    for name, route in (("complete", listing(have)), ("changed", changes), ("incomplete", breaks)):
        with Misbehaving({DATA: route}) as server, coir.connect(server.url) as connection:
            where = coir.Filter(folder="a").where("id__gt", 4)
            scan = coir.Scan(connection.dataset("birds"), where)
            try:
                scan.ids()
            except coir.IncompleteScan as error:
                yield name, error.certificate
            else:
                yield name, scan.certificate


def test_real_certificates_are_of_the_schema() -> None:
    """Certificates of each verdict fit the schema, and come back as they were."""
    for name, certificate in _certificates():
        assert certificate.verdict.value == name
        assert problems(json.loads(certificate.json()), SCHEMA) == []
        again = msgspec.json.decode(certificate.json(), type=coir.Certificate)
        assert again.json() == certificate.json()
    assert certificate.findings


@pytest.mark.parametrize("kind", [coir.Certificate])
def test_every_field_has_its_row(kind: type) -> None:
    """The table has each field of a certificate, in its order, with its type, and no other."""
    rows = {name: said for names, said in ROWS for name in re.findall(r"`([\w.]+)`", names)}
    assert list(rows) == list(_fields(kind))
    assert rows == _fields(kind)


def _fields(kind: type) -> dict[str, str]:
    """The fields of a type by name, and their types as the page says them."""
    found = {}
    hints = typing.get_type_hints(kind)
    for name in (one.name for one in msgspec.structs.fields(kind)):
        found[name] = _said(hints[name])
        inner = [one for one in typing.get_args(hints[name]) if isinstance(one, type)]
        if inner and issubclass(inner[0], msgspec.Struct):
            found |= {f"{name}.{one}": said for one, said in _fields(inner[0]).items()}
    return found


def _said(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return " or ".join(map(_said, arguments))
    if origin is tuple:
        return f"list of {_said(arguments[0])}s"
    plain = {str: "text", int: "integer", float: "number", type(None): "null"}
    return plain.get(hint, "text" if hint is coir.Verdict else "object")


def test_the_example_is_one() -> None:
    """The example on the page fits the schema, and its hash is that of its ids."""
    [block] = [one for one in blocks("docs/certificate.md") if one.language == "json"]
    assert problems(json.loads(block.text), SCHEMA) == []
    example = msgspec.json.decode(block.text, type=coir.Certificate)
    assert list(json.loads(block.text)) == [one.name for one in msgspec.structs.fields(example)]


def test_the_claims_are_those_of_the_rules() -> None:
    """The page names each claim of docs/spec/scan.md, and no other."""
    page, rules = (read(f"docs/{name}.md") for name in ("certificate", "spec/scan"))
    claims = re.findall(r"^- \*\*(S\d)\*\*", rules, re.MULTILINE)
    assert re.findall(r"^- \*\*(S\d)\*\*", page, re.MULTILINE) == claims
