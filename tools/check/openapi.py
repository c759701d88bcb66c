#!/usr/bin/env python3
"""Check api/openapi.yaml: every route of the code is in it and none besides, and every route, parameter, field and status is described.

usage: openapi.py     exits 1 and names what is missing"""
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUTE = re.compile(r'\{"(GET|POST|PUT|DELETE)", "(/[^"]*)"')
ELSEWHERE = {("GET", "/api/events")}  # served by the HTTP server itself: a stream, no answer


def routes_of_code():
    """(method, path) of every row of a route table."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.c"))
    return {found for text in texts for found in ROUTE.findall(text)} | ELSEWHERE


def walk(node, place):
    """(place, node) of every mapping in the document."""
    if isinstance(node, dict):
        yield place, node
        for key, value in node.items():
            yield from walk(value, f"{place}/{key}")
    if isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, f"{place}/{index}")


def is_referenced(document, node):
    """Does a $ref lead to something?"""
    target = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target.get(part, {}) if isinstance(target, dict) else {}
    return bool(target)


def undescribed_fields(place, node):
    """Fields of a schema without a word about them."""
    fields = node.get("properties", {})
    return [f"{place}: the field {name} is not described" for name, field in fields.items() if "description" not in field and "$ref" not in field]


def faults_of(document, place, node):
    """What is wrong with one mapping."""
    if "$ref" in node and isinstance(node["$ref"], str):
        return [] if is_referenced(document, node) else [f"{place}: {node['$ref']} leads nowhere"]
    faults = undescribed_fields(place, node) if isinstance(node.get("properties"), dict) else []
    needs = {"operationId": "summary", "in": "description", "content": "description"}
    faults += [f"{place}: there is no {wanted}" for mark, wanted in needs.items() if mark in node and wanted not in node and not place.endswith("/example")]
    return faults


def main():
    """Print faults and the sum."""
    document = yaml.safe_load((ROOT / "api" / "openapi.yaml").read_text(encoding="utf-8"))
    written = {(method.upper(), path) for path, item in document["paths"].items() for method in item if method in ("get", "post", "put", "delete")}
    coded = routes_of_code()
    faults = [f"{method} {path} is not in api/openapi.yaml" for method, path in sorted(coded - written)]
    faults += [f"{method} {path} is in api/openapi.yaml, but not in the code" for method, path in sorted(written - coded)]
    faults += [fault for place, node in walk(document, "") for fault in faults_of(document, place, node)]
    print("\n".join([*faults, f"{len(written)} routes, {len(faults)} faults"]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
