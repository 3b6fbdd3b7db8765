"""The description of this package for Airflow. Airflow reads it at every start, so it is data only."""

from __future__ import annotations

from typing import Literal, TypedDict

from airflow_provider_360learning.connections.form import connection_type_info

PACKAGE = "airflow_provider_360learning"
DISTRIBUTION = "airflow-provider-360learning"
#: Where the documentation is published, without a slash at the end. Empty: it has no home outside the repository yet.
DOCUMENTATION_URL = ""
CONFIG_SECTION = "learning360"

_INTEGRATION = "360Learning"


OptionType = Literal["string", "integer", "float", "boolean"]


class ConfigOption(TypedDict):
    """An option of the Airflow configuration."""

    description: str
    version_added: str
    type: OptionType
    example: str | None
    default: str


def _option(type_: OptionType, default: str, description: str, example: str | None = None) -> ConfigOption:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": type_,
        "example": example,
        "default": default,
    }


CONFIG_OPTIONS: dict[str, ConfigOption] = {
    "pool": _option(
        "string",
        "",
        "Pool of operators and sensors of this provider whose DAG names no other. Empty means ``learning360``, "
        "or ``default_pool`` where ``create_pool`` is off.",
        example="learning360",
    ),
    "pool_slots": _option(
        "integer",
        "",
        "Slots of the pool: the maximum number of tasks that send requests at the same time. The pool is created with "
        "this size, and the rate limiter ``pool_slots`` divides the limits by it. An existing pool keeps its size. "
        "Empty means 5, or 10 where every connection uses API v2.",
        example="5",
    ),
    "create_pool": _option(
        "boolean",
        "True",
        "Whether a starting scheduler, dag-processor or triggerer creates a missing pool.",
    ),
    "rate_limiter": _option(
        "string",
        "auto",
        "Backend of the rate limiter. ``host``: a file shared by all processes of one host. ``redis``, "
        "``postgres``: a server shared by all hosts. ``pool_slots``: no shared state, each task has a share of the "
        "limits by its pool slots. ``auto``: ``host`` if the executor runs all tasks on one host, ``redis`` in the "
        "broker of the CeleryExecutor if that is a Redis server, else ``pool_slots``.",
    ),
    "rate_limiter_dir": _option(
        "string",
        "",
        "Folder for the file of the rate limiter ``host``, on a local disk. Empty means a folder of the user in "
        "the local temporary directory.",
        example="/var/lib/airflow-learning360",
    ),
    "rate_limiter_conn_id": _option(
        "string",
        "",
        "Airflow connection to the server of the rate limiter ``redis`` (type ``redis``) or ``postgres`` (type "
        "``postgres``). Needs the package's extra of the same name.",
        example="redis_default",
    ),
    "rate_limit_margin_ms": _option(
        "integer",
        "50",
        "Milliseconds added to every window of a rate limit, for the jitter between sending a request and 360Learning "
        "counting it.",
    ),
    "ip_limit_scope": _option(
        "string",
        "shared",
        "``shared``: all hosts send from one IP address and share the limits per address. ``per_host``: each host has "
        "an IP address of its own.",
    ),
    "file_mode": _option(
        "string",
        "0600",
        "Permissions of new files with personal data on this host (results, rejected rows, checkpoints, exports): "
        "``0600``, ``0640``, ``0644``, ``0660`` or ``0664``. New folders can be entered by users who may read the "
        "files. Exports have an argument of the same name.",
        example="0640",
    ),
    "max_rate_limit_wait": _option(
        "float",
        "600",
        "Maximum number of seconds that one call waits for the rate limits before it fails.",
    ),
    "total_timeout": _option(
        "float",
        "120",
        "Maximum number of seconds for one request and its complete response, for connections that set no "
        "``total_timeout``.",
    ),
    "max_row_kib": _option(
        "integer",
        "1024",
        "Maximum size of one row of a file, list or query, in units of 1,024 characters. A larger row is invalid.",
    ),
    "max_list_items": _option(
        "integer",
        "10000",
        "Maximum number of items of a list in a row. A row with more is invalid.",
    ),
}


def _modules(*names: str) -> list[dict[str, object]]:
    return [{"integration-name": _INTEGRATION, "python-modules": [f"{PACKAGE}.{name}" for name in names]}]


def get_provider_info() -> dict[str, object]:
    """Return the description of the package (entry point ``apache_airflow_provider``)."""
    return {
        "package-name": DISTRIBUTION,
        "name": _INTEGRATION,
        "description": "Orchestrated onboarding and scheduled statistics with the learning platform "
        "`360Learning <https://360learning.com/>`__.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://360learning.com/",
                "tags": ["service"],
            }
        ],
        "hooks": _modules("hooks.learning360"),
        "operators": _modules(
            "operators.bulk",
            "operators.classrooms",
            "operators.content_tags",
            "operators.courses",
            "operators.certificates",
            "operators.custom_fields",
            "operators.custom_links",
            "operators.elearning",
            "operators.exports",
            "operators.groups",
            "operators.imports",
            "operators.integrations",
            "operators.operation",
            "operators.path_contents",
            "operators.paths",
            "operators.sync",
            "operators.tags",
            "operators.users",
        ),
        "sensors": _modules(
            "sensors.bulk_jobs",
            "sensors.classrooms",
            "sensors.courses",
            "sensors.groups",
            "sensors.paths",
            "sensors.users",
        ),
        "triggers": _modules("triggers.bulk_job", "triggers.completion"),
        "connection-types": [connection_type_info(f"{PACKAGE}.hooks.learning360.Learning360Hook")],
        "cli": [f"{PACKAGE}.cli.definition.get_cli_commands"],
        "config": {
            CONFIG_SECTION: {
                "description": "Settings of the provider for 360Learning.",
                "options": CONFIG_OPTIONS,
            }
        },
    }
