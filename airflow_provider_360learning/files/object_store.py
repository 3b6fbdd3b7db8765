"""
Objects in the stores that fsspec reaches: read and uploaded in constant memory, and removed.

Not every store can append, rename, or create an object only if there is none: an object is uploaded as a whole. S3
keeps the parts of an upload that was broken off, so that there is more to do for it.
"""

from __future__ import annotations

import inspect
import io
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from airflow_provider_360learning.exceptions import InvalidRequestError, StorageError
from airflow_provider_360learning.files.store_errors import NotAnS3ServerError, code_of, explained
from airflow_provider_360learning.files.temporary import path_of_open
from airflow_provider_360learning.log_text import get_logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

log = get_logger(__name__)

T = TypeVar("T")

_MIB = 1 << 20
#: Bytes of a part of an upload, of which one at a time is in memory.
PART_SIZE = 16 * _MIB
#: Maximum number of parts of an upload to S3.
MAX_PARTS = 10_000
#: Bytes that are requested at a time when an object is read.
READ_SIZE = 8 * _MIB
_READ_AHEAD = _MIB


class _ExplainedFile(io.RawIOBase):
    """
    An open object, whose errors are raised as errors of this package.

    :param path: Its path.
    :param file: The file of the store.
    """

    # Any: each store has its own class.
    def __init__(self, path: ObjectStoragePath, file: Any) -> None:
        self._path, self._file = path, file

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it has positions."""
        return True

    # Any: the type of a buffer depends on the version of Python.
    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer and return their number."""
        with explained(self._path, "read"):
            return int(self._file.readinto(buffer))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position and return it."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return the position."""
        return int(self._file.tell())

    def close(self) -> None:
        """Close the file of the store."""
        if not self.closed:
            self._file.close()
        super().close()


def open_binary(path: ObjectStoragePath) -> BinaryIO:
    """
    Open an object to read its bytes.

    :param path: Its path.
    :raises FileNotFoundError: if it does not exist.
    :raises StorageError: if it cannot be read, also by the returned file.
    """
    filesystem = _filesystem(path)
    file = _look_up(path, lambda: filesystem.open(path.path, "rb", block_size=READ_SIZE))
    return io.BufferedReader(_ExplainedFile(path, file), _READ_AHEAD)


def size_of(path: ObjectStoragePath) -> int | None:
    """
    Return the size of an object in bytes; ``None`` if it does not exist.

    :param path: Its path.
    :raises StorageError: if it is not known whether it exists.
    """
    filesystem = _filesystem(path)
    try:
        return _look_up(path, lambda: int(filesystem.info(path.path)["size"]))
    except FileNotFoundError:
        return None


@contextmanager
def uploaded(path: ObjectStoragePath) -> Iterator[BinaryIO]:
    """
    Write a temporary file without a name, and upload it as one object when the block ends without an error.

    :param path: Path of the object; an existing one is replaced.
    :raises StorageError: if it cannot be uploaded.
    """
    filesystem = _filesystem(path)  # before hours of work: its provider may be missing
    started = datetime.now(UTC)
    with TemporaryFile(prefix="learning360-") as temporary:
        file = cast(BinaryIO, temporary)
        yield file
        file.flush()
        file.seek(0)
        if _is_s3(filesystem) and os.fstat(file.fileno()).st_size > PART_SIZE:
            _abort_uploads(filesystem, path.path, started)
        with explained(path, "written to"):
            _upload(filesystem, file, path.path)


def remove(path: ObjectStoragePath) -> None:
    """
    Remove an object, if it exists.

    :param path: Its path.
    :raises StorageError: if it cannot be removed.
    """
    filesystem = _filesystem(path)
    with suppress(FileNotFoundError), explained(path, "removed", may_be_missing=True):
        filesystem.rm_file(path.path)


def list_folder(path: ObjectStoragePath) -> list[ObjectStoragePath]:
    """
    Return the paths in a folder, none if it does not exist.

    :param path: The folder.
    :raises StorageError: if they cannot be listed.
    """
    filesystem = _filesystem(path)
    names: list[str] = []
    # Not `exists` or `isdir`: for some stores, fsspec takes any error for a folder that does not exist.
    with suppress(FileNotFoundError), explained(path, "listed", may_be_missing=True):
        names = [name.strip("/") for name in filesystem.ls(path.path, detail=False)]
    # The folder itself can be an object.
    return [path / name.rpartition("/")[2] for name in names if name != path.path.strip("/")]


def remove_files(path: ObjectStoragePath) -> None:
    """
    Remove the objects in a folder, if there are any.

    :param path: The folder.
    :raises StorageError: if they cannot be removed.
    """
    for each in list_folder(path):
        remove(each)


def remove_tree(path: ObjectStoragePath) -> None:
    """
    Remove all objects below a path.

    :param path: The path.
    :raises StorageError: if they cannot be removed.
    """
    filesystem = _filesystem(path)
    with explained(path, "listed"):
        found = filesystem.find(path.path)
    with explained(path, "removed", may_be_missing=True):
        for each in found:
            with suppress(FileNotFoundError):
                filesystem.rm_file(each)


def probe_in(folder: ObjectStoragePath) -> ObjectStoragePath:
    """
    Return the path of a file that does not exist.

    :param folder: Its folder.
    """
    return folder / f".write-test-{secrets.token_hex(4)}"


def check_file(path: ObjectStoragePath) -> None:
    """
    Verify that an object can be written; an existing one is not touched.

    :param path: Its path.
    :raises StorageError: if it cannot.
    """
    # S3 may allow this object and no other. Other stores get another object, which does not replace this one.
    _check_addition(path, path if _is_s3(_filesystem(path)) else probe_in(path.parent))


def check_folder(folder: ObjectStoragePath, *, only_adds: bool) -> None:
    """
    Verify that objects in a folder can be found, read, written and removed; none stays.

    :param folder: The folder, which need not exist.
    :param only_adds: Whether they are only written.
    :raises StorageError: naming what cannot be done.
    """
    if only_adds:
        _check_addition(folder, probe_in(folder))
    elif _is_s3(_filesystem(folder)):
        _check_s3_changes(folder)
    else:
        _check_changes(folder)


def unreachable(path: str, error: Exception) -> InvalidRequestError:
    """
    Return the error of a path for which no provider is installed.

    :param path: The path.
    :param error: What Airflow raised.
    """
    return InvalidRequestError(
        f"{path} cannot be reached: {error}. Correct it, or install the Airflow provider for such paths "
        "(for s3:// apache-airflow-providers-amazon[s3fs], for gs:// apache-airflow-providers-google)."
    )


def _upload(filesystem: Any, file: BinaryIO, path: str) -> None:
    from fsspec.spec import AbstractBufferedFile, AbstractFileSystem  # type: ignore[import-untyped]

    if getattr(filesystem.put_file, "__func__", None) is not AbstractFileSystem.put_file:
        filesystem.put_file(path_of_open(file), path, **_upload_options(filesystem, file))
        return
    # fsspec's own `put_file` completes an object with what it has when an upload breaks.
    filesystem.mkdirs(os.path.dirname(path), exist_ok=True)
    with filesystem.open(path, "wb", block_size=PART_SIZE) as target:
        try:
            shutil.copyfileobj(file, target, _MIB)
        except BaseException:
            if isinstance(target, AbstractBufferedFile):
                target.discard()
                target.closed = True
            raise


def _upload_options(filesystem: Any, file: BinaryIO) -> dict[str, int]:
    """Return the options of a store by which one part at a time is in memory; by default, s3fs sends ten of 50 MB."""
    needed = -(-os.fstat(file.fileno()).st_size // (MAX_PARTS * _MIB)) * _MIB
    options = {"chunksize": max(PART_SIZE, needed), "max_concurrency": 1}
    known = inspect.signature(filesystem.put_file).parameters
    return {name: value for name, value in options.items() if name in known}


def _write_probe(path: ObjectStoragePath, probe: ObjectStoragePath) -> None:
    with explained(path, "written to"), TemporaryFile(prefix="learning360-") as file:
        _upload(_filesystem(path), cast(BinaryIO, file), probe.path)


def _check_addition(path: ObjectStoragePath, probe: ObjectStoragePath) -> None:
    filesystem = _filesystem(path)
    if _is_s3(filesystem):
        _try_upload(filesystem, path, probe)
        return
    _write_probe(path, probe)
    try:
        remove(probe)
    except StorageError as error:  # this permission is not needed
        log.warning("An object that was written to test the destination stays: %s", error)


def _check_changes(folder: ObjectStoragePath) -> None:
    filesystem, probe = _filesystem(folder), probe_in(folder)
    with explained(folder, "read"), suppress(FileNotFoundError):
        filesystem.info(probe.path)
    _write_probe(folder, probe)
    try:
        with explained(folder, "read"):
            filesystem.cat_file(probe.path)
    finally:
        remove(probe)


def _check_s3_changes(folder: ObjectStoragePath) -> None:
    filesystem, probe = _filesystem(folder), probe_in(folder)
    bucket, key, _ = filesystem.split_path(probe.path)
    with explained(folder, "listed"):
        filesystem.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
    with explained(folder, "read"), suppress(FileNotFoundError):
        filesystem.call_s3("get_object", Bucket=bucket, Key=key)
    with explained(folder, "cleared"):
        filesystem.call_s3("delete_object", Bucket=bucket, Key=key)
    _try_upload(filesystem, folder, probe)


def _try_upload(filesystem: Any, path: ObjectStoragePath, probe: ObjectStoragePath) -> None:
    """Begin a multipart upload and abort it, which needs the permission to write and creates no object."""
    bucket, key, _ = filesystem.split_path(probe.path)
    with explained(path, "written to"):
        upload = filesystem.call_s3("create_multipart_upload", Bucket=bucket, Key=key)
        if not upload.get("UploadId"):  # a web server that responds to every request with a page
            raise NotAnS3ServerError("the response to CreateMultipartUpload has no UploadId")
    try:
        with explained(probe, "aborted as an upload"):
            filesystem.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])
    except StorageError as error:  # which uploads do not need
        log.warning("An unfinished upload without data stays: %s", error)


def _abort_uploads(filesystem: Any, path: str, started: datetime) -> None:
    """
    Abort unfinished multipart uploads to a path in S3, which keeps (and charges for) the parts of a killed process.

    An upload cannot be traced to its process. But only the object that is about to be replaced is concerned, and only
    uploads from before this one started. Should another process still be alive, it gets an error instead of replacing
    the newer object by an older one. fsspec has no such operation for stores in general; others need none, because
    Google Cloud Storage and Azure delete unfinished uploads after a week.
    """
    try:
        bucket, key, _ = filesystem.split_path(path)
        uploads = filesystem.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key).get("Uploads", [])
        for upload in uploads:
            if upload["Key"] == key and upload["Initiated"] < started:
                filesystem.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])
                log.info("Aborted an unfinished upload: path=%s initiated=%s", path, upload["Initiated"])
    except Exception as error:  # e.g. the permission is missing, which must not fail the export
        log.info("Unfinished uploads could not be aborted: path=%s error=%s", path, type(error).__name__)


def _look_up(path: ObjectStoragePath, function: Callable[[], T]) -> T:
    """
    Return the result of a function that looks an object up.

    S3 does not state why it refuses this (a ``HEAD`` request has no body), but does when the object is read.
    """
    with explained(path, "read", may_be_missing=True):
        try:
            return function()
        except Exception as error:
            if (code_of(error) or "").isdigit():
                filesystem = _filesystem(path)
                bucket, key, _ = filesystem.split_path(path.path)
                filesystem.call_s3("get_object", Bucket=bucket, Key=key, Range="bytes=0-0")
            raise


def _is_s3(filesystem: Any) -> bool:
    return hasattr(filesystem, "call_s3")


def _filesystem(path: ObjectStoragePath) -> Any:
    with explained(path, "reached"):
        try:
            return path.fs
        except (ValueError, ImportError) as error:
            raise unreachable(str(path), error) from error
