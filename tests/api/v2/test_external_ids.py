"""What the actions on ids in other platforms do alone in API v2: read before they write."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import AlreadyExistsError, InvalidRequestError, NotFoundError
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_ID, GRACE_MAIL

ID = {"external_platform": "BambooHR", "external_id": "E-17"}


def test_an_id_that_is_set_already_is_not_written_again(api, sent):
    for _ in range(2):
        assert api.set_external_id(user=GRACE_MAIL, **ID)["outcome"] == "set"
    assert len(sent("createExternalId", "updateExternalId")) == 1


def test_an_id_in_another_letter_case_is_not_found(sandbox, api):
    """Whether the server's filter regards letter case is not known."""
    mapping = {"_id": ADMIN_ID, "platform": "BambooHR", "targetId": GRACE_ID, "targetType": "user", "value": "e-17"}
    sandbox.control.add_fault("getExternalIds", kind="invalid_content", body=[mapping])
    with pytest.raises(NotFoundError, match="'E-17' in 'BambooHR': check both, capital letters included"):
        api.get_user_by_external_id(**ID)


def test_an_id_that_another_user_has_exists_already(api):
    api.set_external_id(user=ADMIN_ID, **ID)
    with pytest.raises(AlreadyExistsError, match="valueAlreadyUsed"):
        api.set_external_id(user=GRACE_ID, **ID)


def test_a_reserved_platform_is_reported(sandbox, api):
    sandbox.control.settings(reserved_platforms=["BambooHR"])
    with pytest.raises(InvalidRequestError, match="reservedPlatformName"):
        api.set_external_id(user=GRACE_ID, **ID)
