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
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import requests

from airflow_provider_360learning.sandbox.demo_company import CLIENT_ID, CLIENT_SECRET
from airflow_provider_360learning.sandbox.v2.version import V2
from tests.benchmarks.support import sandbox
from tests.contract.documents import Document, documents
from tests.contract.specs import published

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
PROGRAM = Path(__file__).parents[2] / ".venv-fuzz/bin/schemathesis"
#: The sandbox revokes nothing and never forgets, and jobs end at once.
SETTINGS = {"limits_enabled": False, "bulk_job_seconds": 0, "max_state_mb": 1000, "max_bulk_jobs": 1_000_000}

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
    Return the part of a document that the sandbox has, without tokens, as the version of OpenAPI that it is written in.

    :param words: Only paths with one of these words; empty for all.
    """
    routes = {route.operation for route in V2.routes} - {"generateToken"}
    names = {(one.method.lower(), one.path): one.name for one in published()}
    paths = {
        path: {method: each for method, each in item.items() if names.get((method, path), "") in routes}
        for path, item in document["paths"].items()
        if not words or any(word in path for word in words)
    }
    paths = {path: {method: _completed(each) for method, each in item.items()} for path, item in paths.items() if item}
    # `nullable` is a keyword of OpenAPI 3.0 only.
    return {**document, "openapi": "3.0.3", "servers": [], "paths": paths}


def _completed(operation: Document) -> Document:
    """Return an operation with the response to a malformed request, which the documents do not declare."""
    described = operation["responses"].get("400", {})
    declared = described.get("content", {}).get("application/json", {}).get("schema")
    schema = {"anyOf": [declared, MALFORMED]} if declared else MALFORMED
    completed = {"description": "Bad Request", **described, "content": {"application/json": {"schema": schema}}}
    return {**operation, "responses": {**operation["responses"], "400": completed}}


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
