"""Any operation through the hook: against the sandbox on both versions, and with files against a tiny server."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from email import message_from_bytes

import pytest
from airflow.providers.common.compat.sdk import redact

from airflow_provider_360learning.exceptions import InvalidRequestError, NotAvailableError, StorageError
from airflow_provider_360learning.hooks import operation_files
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, SALES_GROUP_ID
from tests.api.support import FREE, Request, Response, TinyServer, with_token
from tests.fake_object_store import PROTOCOL, FakeObjectStore, register_fake_object_store

ID = "5f0c7e0a1b2c3d4e5f607182"
PDF = b"%PDF-1.7\n\x00\xff" * 50_000


@pytest.fixture
def use(connect, sandbox):
    """Return a function that sets the connection: an API version, and the address of another server."""

    def use(version: str, url: str = "") -> Learning360Hook:
        connection = sandbox.connection(api_version=version)
        limits = FREE if version == "v1" else {"company_reads": 1000, "company_writes": 1000}
        fields = {**connection, "host": url or connection["host"], "extra": {**connection["extra"], "limits": limits}}
        connect(json.dumps(fields))
        return Learning360Hook()

    return use


@pytest.mark.parametrize(("version", "parameter"), [("v1", "group_id"), ("v2", "groupId")])
def test_calls_an_operation_on_the_version_of_the_connection(use, version, parameter):
    hook = use(version)
    assert hook.call("getGroup", path_params={parameter: SALES_GROUP_ID})["name"] == "Sales"
    assert SALES_GROUP_ID in {each["_id"] for each in hook.call("getGroups", paginate=True)}


def test_refuses_an_operation_of_the_other_version_before_anything_is_sent(use, sandbox):
    with pytest.raises(NotAvailableError, match="its counterpart here is addManager"):
        use("v2").call("addManagerToUser", path_params={"user": "a", "manager": "b"})
    assert sandbox.control.journal() == []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_writes_a_list_as_json_lines(use, tmp_path, version):
    path = tmp_path / "groups.jsonl"
    result = use(version).call("getGroups", paginate=True, output_path=path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert result == {"output_path": str(path), "items": len(rows)}
    assert SALES_GROUP_ID in {row["_id"] for row in rows}


def test_writes_an_object_as_one_line(use, tmp_path):
    path = tmp_path / "user.jsonl"
    result = use("v2").call("getUser", path_params={"userId": GRACE_ID}, output_path=path)
    assert result["items"] == 1
    assert json.loads(path.read_text())["_id"] == GRACE_ID


def test_checks_the_destination_before_anything_is_sent(use, sandbox, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Nothing was sent"):
        use("v1").call("getGroups", output_path=tmp_path / "file" / "groups.jsonl")
    assert sandbox.control.journal() == []


def in_turn(*responses: Response) -> Callable[[Request], Response]:
    """Return a responder with one response after the other."""
    left = list(responses)
    return with_token(lambda request: left.pop(0))


PDF_OF_GRACE = {"userId": ID, "certificateId": ID}


def test_writes_a_file_that_the_server_returns_also_when_the_first_response_breaks(use, tmp_path):
    broken = Response(PDF[:400_000], headers={"Content-Length": str(len(PDF)), "Connection": "close"})
    path = tmp_path / "certificate.pdf"
    with TinyServer(in_turn(broken, Response(PDF))) as server:
        hook = use("v2", server.url)
        result = hook.call("getUserCertificateAsPdf", path_params=PDF_OF_GRACE, output_path=path)
        requests = [each for each in server.requests if "oauth2" not in each.target]
    assert path.read_bytes() == PDF
    assert result == {"output_path": str(path), "bytes": len(PDF)}
    assert [each.headers["Accept"] for each in requests] == ["*/*", "*/*"]


def test_a_file_that_the_server_returns_needs_a_path(use):
    with TinyServer(in_turn()) as server:
        with pytest.raises(InvalidRequestError, match="returns a file: give output_path"):
            use("v2", server.url).call("getUserCertificateAsPdf", path_params=PDF_OF_GRACE)
        assert server.requests == []


def test_uploads_files_with_their_names_and_types(use, tmp_path):
    picture = tmp_path / "ana.png"
    picture.write_bytes(b"\x89PNG\r\n\x00\xff")
    with TinyServer(in_turn(Response({"_id": ID}))) as server:
        use("v2", server.url).call("uploadUserMedia", path_params={"userId": ID}, files={"profileImage": picture})
        request = server.requests[-1]
    message = message_from_bytes(f"Content-Type: {request.headers['Content-Type']}\n\n".encode() + request.body)
    (part,) = message.get_payload()
    assert (part.get_filename(), part.get_content_type()) == ("ana.png", "image/png")
    assert part.get_payload(decode=True) == picture.read_bytes()


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"profileImage": "{folder}/missing.png"}, "missing.png does not exist"),
        ({"picture": "{folder}/ana.png"}, "files has no 'picture' (it has: profileImage); files lacks 'profileImage'"),
    ],
)
def test_refuses_files_before_anything_is_sent(use, tmp_path, files, problem):
    (tmp_path / "ana.png").write_bytes(b"x")
    paths = {name: path.format(folder=tmp_path) for name, path in files.items()}
    with TinyServer(in_turn()) as server:
        with pytest.raises(InvalidRequestError) as caught:
            use("v2", server.url).call("uploadUserMedia", path_params={"userId": ID}, files=paths)
        assert problem in str(caught.value)
        assert server.requests == []


def test_refuses_a_file_that_is_too_large(use, tmp_path):
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(operation_files.MAX_UPLOAD + 1)
    with TinyServer(in_turn()) as server, pytest.raises(InvalidRequestError, match="more than 256 MiB"):
        use("v2", server.url).call("uploadUserMedia", path_params={"userId": ID}, files={"profileImage": large})


@pytest.mark.filterwarnings("ignore:UPath 'fakestore'")
def test_reads_no_more_of_a_file_than_may_be_uploaded_whatever_size_its_store_states(use, tmp_path, monkeypatch):
    register_fake_object_store(str(tmp_path))
    monkeypatch.setattr(FakeObjectStore, "stated_size", 100)
    (tmp_path / "bucket").mkdir()
    with (tmp_path / "bucket" / "ana.png.object").open("wb") as file:
        file.truncate(operation_files.MAX_UPLOAD + 1)
    picture = f"{PROTOCOL}://bucket/ana.png"
    with TinyServer(in_turn()) as server, pytest.raises(InvalidRequestError, match=r"ana\.png has more than 256 MiB"):
        use("v2", server.url).call("uploadUserMedia", path_params={"userId": ID}, files={"profileImage": picture})


def test_logs_no_password_of_a_body(use, caplog):
    caplog.set_level(logging.DEBUG)
    refusal = Response({"error": {"code": "invalidPassword", "message": "correct-horse is too simple"}}, 400)
    with TinyServer(in_turn(refusal)) as server, pytest.raises(InvalidRequestError) as caught:
        use("v2", server.url).call("replacePassword", path_params={"userId": ID}, body={"password": "correct-horse"})
    assert "correct-horse" not in str(caught.value) + caplog.text


def test_a_secret_of_a_response_is_masked_in_logs(use):
    with TinyServer(in_turn(Response({"secret": "whsec-planted-for-tests"}))) as server:
        result = use("v2", server.url).call("getSigningSecret", path_params={"subscriptionId": ID})
    assert result == {"secret": "whsec-planted-for-tests"}
    assert redact("the secret is whsec-planted-for-tests") == "the secret is ***"
