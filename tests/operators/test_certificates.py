"""Operators for certificates: files come from paths and go to paths."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.certificates import (
    Learning360CreateCertificateOutlineOperator,
    Learning360DeleteCertificateOutlineOperator,
    Learning360DownloadCertificateOperator,
    Learning360ImportUserCertificateOperator,
    Learning360UpdateCertificateOutlineOperator,
    Learning360UpdateCertificatePrivacyOperator,
)
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL
from tests.unlimited_sandbox import CONNECTION, operations

MISSING_ID = "f" * 24
OUTLINE = {"title": "Diploma", "group": "Sales", "body_html": "<p>[path_title]</p>"}

#: Operators with arguments, and the line that each logs; ``{id}`` is the id in its result.
LINES = [
    (
        Learning360ImportUserCertificateOperator,
        {"user": GRACE_MAIL, "title": "First aid", "delivered_at": "2026-01-31T08:00:00Z"},
        f'Imported certificate "First aid" ({{id}}) of user {GRACE_MAIL}',
    ),
    (
        Learning360UpdateCertificatePrivacyOperator,
        {"user": GRACE_MAIL, "public": True},
        f"Made 1 certificate of user {GRACE_MAIL} public",
    ),
    (
        Learning360CreateCertificateOutlineOperator,
        {**OUTLINE, "title": "Degree"},
        "Created certificate outline Degree ({id}) in group Sales",
    ),
    (
        Learning360UpdateCertificateOutlineOperator,
        {"certificate_outline": "Diploma", "validity_months": 12},
        "Updated validity_months of certificate outline Diploma ({id})",
    ),
    (
        Learning360DeleteCertificateOutlineOperator,
        {"certificate_outline": "Diploma"},
        "Deleted certificate outline Diploma ({id})",
    ),
]


@pytest.fixture
def v2(sandbox, monkeypatch):
    """Let the default connection use API v2."""
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2"))
    return sandbox


@pytest.fixture
def imported(v2, tmp_path):
    """Import a certificate, and return the result."""
    file = tmp_path / "first-aid.pdf"
    file.write_bytes(b"%PDF-1.4 \xff")
    return Learning360ImportUserCertificateOperator(
        task_id="one", user=GRACE_MAIL, title="First aid", delivered_at="2026-01-31T08:00:00Z", file=str(file)
    ).execute({})


@pytest.mark.parametrize(("operator", "arguments", "line"), LINES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_operator_logs_its_outcome_in_one_line(v2, tmp_path, caplog, operator, arguments, line):
    api = Learning360Hook().api
    api.create_certificate_outline(**OUTLINE)
    if operator is Learning360UpdateCertificatePrivacyOperator:
        file = Upload("a.pdf", b"")
        certificate = {"user": GRACE_MAIL, "title": "x", "delivered_at": "2026-01-31T08:00:00Z", "file": file}
        arguments = {**arguments, "certificate_ids": [api.import_user_certificate(**certificate)["certificate_id"]]}
    if operator.uploads:
        path = tmp_path / "first-aid.pdf"
        path.write_bytes(b"%PDF-1.4")
        arguments = {**arguments, "file": str(path)}
    caplog.clear()
    result = operator(task_id="one", **arguments).execute({})
    id = result.get("certificate_id") or result.get("certificate_outline_id")
    assert caplog.text.count(line.format(id=id)) == 1


def test_imports_a_certificate_from_a_file(imported):
    (found,) = Learning360Hook().api.list_user_certificates(user=GRACE_ID)
    assert (found["certificate_id"], found["title"]) == (imported["certificate_id"], "First aid")
    assert imported["outcome"] == "imported"


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_writes_a_certificate_to_a_file(imported, tmp_path, caplog, user):
    path = tmp_path / "out" / "certificate.pdf"
    written = Learning360DownloadCertificateOperator(
        task_id="one", user=user, certificate_id=imported["certificate_id"], output_path=str(path)
    ).execute({})
    assert written == {"output_path": str(path), "bytes": path.stat().st_size}
    assert path.read_bytes().startswith(b"%PDF-")
    assert f"Wrote certificate {imported['certificate_id']} of user {user} to {path}" in caplog.text


def test_an_unknown_certificate_fails_the_task_and_leaves_no_file(v2, tmp_path):
    path = tmp_path / "certificate.pdf"
    task = Learning360DownloadCertificateOperator(
        task_id="one", user=GRACE_ID, certificate_id=MISSING_ID, output_path=str(path)
    )
    with pytest.raises(AirflowFailException, match="certificateNotFound"):
        task.execute({})
    assert not path.exists()


def test_a_missing_file_fails_the_task_before_anything_is_sent(v2, tmp_path):
    v2.control.clear_journal()
    task = Learning360ImportUserCertificateOperator(
        task_id="one", user=GRACE_ID, title="x", delivered_at="2026-01-31T08:00:00Z", file=str(tmp_path / "x.pdf")
    )
    with pytest.raises(AirflowFailException, match=r"file: .*x\.pdf does not exist"):
        task.execute({})
    assert operations(v2) == []


def test_api_v1_has_no_certificates(sandbox, tmp_path):
    task = Learning360DownloadCertificateOperator(
        task_id="one", user=GRACE_ID, certificate_id=MISSING_ID, output_path=str(tmp_path / "x.pdf")
    )
    with pytest.raises(AirflowFailException, match="getUserCertificateAsPdf is an operation of API v2"):
        task.execute({})
    assert operations(sandbox) == []
