"""The command that lists the operations of the API."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.cli.definition import main


@pytest.fixture
def listed(capsys):
    def run(*arguments: str) -> str:
        main(["operations", *arguments])
        return capsys.readouterr().out

    return run


def names_in(text: str) -> list[str]:
    return [line.partition(":")[0] for line in text.splitlines() if not line.startswith(" ")]


def test_lists_all_operations_of_both_versions(listed):
    names = [f"{version} {name}" for version, one in VERSIONS.items() for name in sorted(one.spec.endpoints)]
    assert names_in(listed()) == names
    assert len(names) == 97 + 161


def test_shows_what_a_call_needs(listed):
    assert listed("uploadGroupMedia") == (
        "v2 uploadGroupMedia: POST /groups/{groupId}/media (documented, scope groups:write, never sent twice)\n"
        "    Upload group media\n"
        "    path_params: groupId*\n"
        "    body (multipart): authorId*\n"
        "    files: banner background favicon logo\n"
    )


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("getUserPrograms", "(assumed, legacy)"),
        ("getProgramTemplate", "(recorded, legacy)"),
        ("deleteGroups", "DELETE /bulk/groups (documented, scope groups:bulk, bulk job, never sent twice)"),
        ("getUserCertificateAsPdf", "returns a file"),
        ("tags.getTags", "scope tags:read, pages)"),
        ("deleteCustomUserLink", "    query: mail* type*"),
        ("postSkills", "    body (json): a list of objects"),
        ("updateProgramSession", "    body (form): fields are not known"),
    ],
)
def test_shows_what_is_particular_about_an_operation(listed, operation, expected):
    assert expected in listed(operation)


def test_finds_words_in_names_paths_and_summaries(listed):
    found = names_in(listed("SKILL", "--api-version", "v1"))
    assert found == ["v1 getSkills", "v1 postSkills", "v1 updateSkill"]
    assert "v2 createSubscriptionEvents" in names_in(listed("notifications/", "--api-version", "v2"))


def test_exits_with_a_message_if_nothing_is_found(listed):
    with pytest.raises(SystemExit, match="No operation has 'zzz' in its name"):
        listed("zzz")
