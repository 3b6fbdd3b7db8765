"""Files of any operation: uploads of its request, and the file that its response is written to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from airflow_provider_360learning import config
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.operation_calls import OperationCall
from airflow_provider_360learning.api.types import ReadableBody, Upload
from airflow_provider_360learning.exceptions import InvalidRequestError, RefusedRowsError
from airflow_provider_360learning.files.jsonl import encode
from airflow_provider_360learning.files.storage import (
    StoragePath,
    atomic_writer,
    check_file,
    open_binary,
    size_of,
    storage_path,
)
from airflow_provider_360learning.files.store_errors import naming

#: Maximum number of bytes of a file to upload: requests are built in memory.
MAX_UPLOAD = 256 << 20
#: Bytes of a response that are written at a time.
CHUNK = 1 << 18


def read_uploads(paths: Mapping[str, StoragePath]) -> dict[str, Upload]:
    """
    Return files to upload.

    :param paths: Field of the body to the path of its file.
    :raises InvalidRequestError: if a file does not exist, is too large, or is not a regular file.
    """
    return {field: read_upload(f"files.{field}", path) for field, path in paths.items()}


def read_upload(name: str, where: StoragePath) -> Upload:
    """
    Return a file to upload.

    :param name: Name of the argument with its path.
    :param where: The path.
    :raises InvalidRequestError: if the file does not exist, is too large, or is not a regular file.
    """
    path = storage_path(where)
    size = size_of(path)
    if size is not None and size <= MAX_UPLOAD:
        with open_binary(path) as file:
            content = file.read(MAX_UPLOAD + 1)  # it may have grown, and a store may state any size
        if len(content) <= MAX_UPLOAD:
            return Upload(PurePosixPath(path.path).name, content)
    problem = "does not exist" if size is None else f"has more than {MAX_UPLOAD >> 20} MiB"
    raise InvalidRequestError(f"{name}: {path} {problem}. Nothing was sent", argument=name.partition(".")[0])


def write_response(api: LearningApi, call: OperationCall, output_path: StoragePath) -> dict[str, object]:
    """
    Make a call, and write its response to a file that appears whole or not at all.

    A file that the server returns may have ``max_response_mib``, as any response that is not an export.

    :param api: The API adapter.
    :param call: The call.
    :param output_path: Path of the file, which is replaced: JSON Lines, or the file that the server returns.
    :return: ``output_path``, and the number of ``items``, or of ``bytes`` of a file.
    :raises RefusedRowsError: if a bulk job has refused rows, after the results of all of them were written.
    """
    file_mode = config.file_mode()
    with naming("output_path", "Nothing was sent."):
        check_file(output_path, file_mode=file_mode)
    with atomic_writer(output_path, file_mode=file_mode) as file:
        refused = None
        if call.returns_file:
            written = {"bytes": api.client.run(call.file_steps(_Copy(file)))}
        else:
            try:
                written = {"items": _write_lines(api, call, file)}
            except RefusedRowsError as error:
                file.writelines(_lines(error.results))
                refused = error
    if refused is not None:
        raise refused
    return {"output_path": str(output_path), **written}


class _Copy:
    """Writes a body to a file, from its start each time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __call__(self, body: ReadableBody) -> int:
        self._file.seek(0)
        self._file.truncate()
        while chunk := body.read(CHUNK):
            self._file.write(chunk)
        return self._file.tell()


def _write_lines(api: LearningApi, call: OperationCall, file: BinaryIO) -> int:
    """Write one line per item, and return their number; of a list in pages, one page is in memory at a time."""
    count = 0

    # Any: the type of a response depends on the operation.
    def write(items: Sequence[Any]) -> None:
        nonlocal count
        file.writelines(_lines(items))
        count += len(items)

    if call.has_pages:
        api.client.run(call.each_page(write))
    else:
        result = api.client.run(call.steps(api.jobs))
        write(result if isinstance(result, list) else () if result is None else (result,))
    return count


def _lines(items: Iterable[Any]) -> Iterator[bytes]:
    return (f"{encode(item)}\n".encode() for item in items)
