"""The operations of the API as a command lists them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from airflow_provider_360learning.api.operation_calls import is_sent_once
from airflow_provider_360learning.api.spec import ApiSpec, ResponseShape


def has_word(spec: ApiSpec, operation: str, word: str) -> bool:
    """
    Return whether a word is in the name, path or summary of an operation, without regard to case.

    :param spec: The API version.
    :param operation: Name of the operation.
    :param word: The word.
    """
    texts = (operation, spec.endpoints[operation].path, spec.parameters(operation).summary)
    return any(word.lower() in text.lower() for text in texts)


def described(spec: ApiSpec, operation: str) -> Iterator[str]:
    """
    Yield the lines about an operation; names with an asterisk are required.

    :param spec: The API version.
    :param operation: Name of the operation.
    """
    endpoint, parameters = spec.endpoints[operation], spec.parameters(operation)
    facts = [endpoint.evidence.value]
    facts += [f"scope {endpoint.scope}"] if endpoint.scope else []
    facts += ["legacy"] if parameters.is_legacy else []
    facts += ["pages"] if endpoint.response is ResponseShape.PAGE else []
    facts += ["bulk job"] if endpoint.response is ResponseShape.JOB else []
    facts += ["returns a file"] if endpoint.response is ResponseShape.FILE else []
    facts += ["never sent twice"] if is_sent_once(spec, endpoint) else []
    yield f"{spec.name} {operation}: {endpoint.method} {endpoint.path} ({', '.join(facts)})"
    yield f"    {parameters.summary}"
    yield from _names("path_params", parameters.path, parameters.path)
    yield from _names("query", parameters.query, parameters.required_query)
    title = f"body ({endpoint.body.value})"
    if parameters.body is not None and not parameters.fields:
        yield f"    {title}: {'a list of objects' if parameters.body['type'] == 'array' else 'fields are not known'}"
    fields = [name for name in parameters.fields if name not in parameters.files]
    yield from _names(title, fields, parameters.required_fields)
    yield from _names("files", parameters.files, parameters.required_fields)


def _names(title: str, names: Collection[str], required: Collection[str]) -> Iterator[str]:
    if names:
        yield f"    {title}: {' '.join(f'{name}*' if name in required else name for name in names)}"
