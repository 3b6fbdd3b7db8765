"""The versions of the API that this package speaks: the only module outside a version's own package that imports it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.spec import ApiSpec
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.api.v2 import ApiV2
from airflow_provider_360learning.api.v2.spec import API_V2


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """
    One version of the API.

    :param spec: The version as data.
    :param adapter: Creates the adapter with the version's actions.
    :param actions: These actions by name, without a client.
    :param check_date_field: Refuses a timestamp by which the version does not select attempts.
    """

    spec: ApiSpec
    adapter: Callable[[Client], LearningApi]
    actions: Mapping[str, Action[..., object]]
    check_date_field: Callable[[str], None]


#: The versions by name, as a connection's ``api_version`` has it.
VERSIONS: Mapping[str, ApiVersion] = {
    version.spec.name: version
    for version in (
        ApiVersion(API_V1, ApiV1, ApiV1.definitions(), ApiV1.check_date_field),
        ApiVersion(API_V2, ApiV2, ApiV2.definitions(), ApiV2.check_date_field),
    )
}
