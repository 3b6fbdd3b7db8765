"""
Send schemathesis's requests to API v2 of a sandbox, and check its responses against the published documents.

::

    make fuzz                             # several minutes
    make fuzz FUZZ_ARGS="--examples 5"    # shorter

Schemathesis has an environment of its own, because its dependencies are not those of Airflow. It sends what the
documents allow and what they do not; both follow from the seed. The sandbox has no rate limits, and is in a process of
its own. What is known to differ is in schemathesis.toml beside this module.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from airflow_provider_360learning.sandbox.demo_company import CLIENT_ID, CLIENT_SECRET
from airflow_provider_360learning.sandbox.v2.version import V2
from tests.benchmarks.support import sandbox
from tests.contract.documents import Document, documents
from tests.contract.schemas import PATTERNS, strict
from tests.contract.specs import published

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
PROGRAM = Path(__file__).parents[2] / ".venv-fuzz/bin/schemathesis"
#: The sandbox revokes nothing and never forgets, and jobs end at once.
SETTINGS = {
    "limits_enabled": False,
    "bulk_job_seconds": 0,
    "max_state_mb": 1000,
    "max_bulk_jobs": 1_000_000,
    # Schemathesis encodes the brackets of filters.
    "encoded_brackets": "accepted",
}

MAX_ITEMS = 20
_DAY = "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
#: Patterns of dates that exist, by the pattern of dates that is checked.
DATES = {
    PATTERNS["date"]: f"^{_DAY}$",
    PATTERNS["date-time"]: f"^{_DAY}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{{3}})?Z$",
}
#: The assumed body of the response to a malformed request.
MALFORMED: Document = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"enum": ["badRequest"]}, "message": {"type": "string"}},
        }
    },
}


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz the operations of each document that the sandbox has, and return the status of the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz API v2 of the sandbox.")
    parser.add_argument("--examples", type=int, default=30, help="requests per operation and kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=360, help="of the random numbers (%(default)s)")
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="only operations with one of these words in their path"
    )
    args = parser.parse_args(argv)
    failed = []
    for name, document in documents().items():
        part = of_sandbox(document, args.words)
        if part["paths"] and _fuzz(name, part, args.examples, args.seed):
            failed.append(name)
    print(f"Findings in: {', '.join(failed)}" if failed else "No findings")
    return 1 if failed else 0


def of_sandbox(document: Document, words: Sequence[str] = ()) -> Document:
    """
    Return the part of a document that the sandbox has, without tokens and uploads.

    :param words: Only paths with one of these words; empty for all.
    """
    routes = {route.operation for route in V2.routes} - {"generateToken"}
    names = {(one.method.lower(), one.path): one.name for one in published()}
    paths = {
        path: {
            method: each
            for method, each in item.items()
            if names.get((method, path), "") in routes and not _has_files(each)
        }
        for path, item in document["paths"].items()
        if not words or any(word in path for word in words)
    }
    return {
        **{name: part for name, part in document.items() if name != "components"},
        "servers": [],
        "paths": {
            path: {method: _completed(document, each) for method, each in item.items()}
            for path, item in paths.items()
            if item
        },
    }


def _has_files(operation: Document) -> bool:
    """Return whether an operation has files, whose media types the documents do not say."""
    return "multipart/form-data" in operation.get("requestBody", {}).get("content", {})


def _completed(document: Document, operation: Document) -> Document:
    """Return an operation with strict schemas, and with the responses that the documents do not declare."""
    responses = {status: _strict_content(document, each) for status, each in operation["responses"].items()}
    bad = responses.get("400", {}).get("content", {}).get("application/json", {}).get("schema")
    schema = {"anyOf": [bad, MALFORMED]} if bad else MALFORMED
    responses["400"] = {"description": "Bad Request", "content": {"application/json": {"schema": schema}}}
    if not any(status.startswith("2") for status in responses):
        responses["2XX"] = {"description": "Any success"}
    parameters = [{**each, "schema": _narrowed(strict(document, each["schema"]))} for each in operation["parameters"]]
    completed = {**operation, "parameters": parameters, "responses": responses}
    if "requestBody" in operation:
        body = _narrowed(_strict_content(document, operation["requestBody"]), is_body=True)
        for each in body["content"].values():
            _allow_null(each["schema"])
        completed["requestBody"] = body
    return {name: part for name, part in completed.items() if name != "security"}


def _strict_content(document: Document, part: Document) -> Document:
    """Return a response or a body with strict schemas."""
    content = {
        media_type: {"schema": strict(document, each["schema"])} for media_type, each in part.get("content", {}).items()
    }
    return {**part, "content": content} if content else part


def _narrowed(part: Any, *, is_body: bool = False) -> Any:
    """
    Return what the documents mean: dates that exist, and lists that fit a request.

    :param is_body: Whether it is a body, in which unknown keys are ignored (assumption).
    """
    if isinstance(part, list):
        return [_narrowed(each, is_body=is_body) for each in part]
    if not isinstance(part, dict):
        return part
    narrowed = {name: _narrowed(each, is_body=is_body) for name, each in part.items()}
    if is_body and narrowed.get("additionalProperties") is False:
        del narrowed["additionalProperties"]
    if is_body and narrowed.get("type") == "array":
        narrowed["maxItems"] = min(narrowed.get("maxItems", MAX_ITEMS), MAX_ITEMS)
    if isinstance(pattern := narrowed.get("pattern"), str):
        narrowed["pattern"] = DATES.get(pattern, pattern)
    return narrowed


def _allow_null(body: Document) -> None:
    """Allow ``null`` as the value of an optional field, which then counts as missing (assumption)."""
    for name in body.get("properties", {}).keys() - set(body.get("required", ())):
        body["properties"][name] = {"anyOf": [body["properties"][name], {"type": "null"}]}


def _fuzz(name: str, document: Document, examples: int, seed: int) -> int:
    print(f"{name}: {sum(map(len, document['paths'].values()))} operations", flush=True)
    with tempfile.TemporaryDirectory() as folder, sandbox(**SETTINGS) as server:
        file = Path(folder) / f"{name}.json"
        file.write_text(json.dumps(document))
        return subprocess.run(
            [
                *(PROGRAM, f"--config-file={CONFIGURATION}", "run", file, f"--url={server.url}"),
                *(f"--header=Authorization: Bearer {_token(server.url)}", "--header=360-api-version: v2.0"),
                *(f"--max-examples={examples}", f"--seed={seed}", "--no-color"),
            ],
            cwd=folder,  # schemathesis leaves files behind
            env={**os.environ, "SCHEMATHESIS_HOOKS": "checks", "PYTHONPATH": str(CONFIGURATION.parent)},
            check=False,
        ).returncode


def _token(url: str) -> str:
    body = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    headers = {"360-api-version": "v2.0"}
    response = requests.post(f"{url}/api/v2/oauth2/token", json=body, headers=headers, timeout=10)
    response.raise_for_status()
    return str(response.json()["access_token"])


if __name__ == "__main__":
    sys.exit(main())
