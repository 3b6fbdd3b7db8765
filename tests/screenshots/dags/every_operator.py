"""A DAG for pictures of task logs: each operator and sensor once, in an order in which all of them have work to do."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import chain, dag

from airflow_provider_360learning.operators import exports, groups, imports, paths, users
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.courses import (
    Learning360AddToCatalogOperator,
    Learning360RemoveFromCatalogOperator,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    GRACE_MAIL,
    ROOT_GROUP_ID,
)
from airflow_provider_360learning.sensors.courses import (
    Learning360CourseCompletionSensor,
    Learning360CoursePublishedSensor,
)
from airflow_provider_360learning.sensors.groups import Learning360GroupMembershipSensor
from airflow_provider_360learning.sensors.paths import (
    Learning360PathSessionCompletionSensor,
    Learning360PathSessionStatusSensor,
)
from airflow_provider_360learning.sensors.users import Learning360UserActiveSensor

#: The script of the pictures links this file into a copy of the examples.
EXAMPLES = Path(__file__).parent
FOLDER = f"{os.environ['AIRFLOW_HOME']}/{{{{ task.task_id }}}}"
MAIL, SESSION = "ana.roy@acme.test", "Onboarding of new hires"
INTERVAL = {"interval_start": "2026-01-01T00:00:00Z", "interval_end": "2100-01-01T00:00:00Z"}


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 0},
    dagrun_timeout=timedelta(minutes=5),
)
def every_operator() -> None:
    """Define the tasks and their order."""
    group = groups.Learning360CreateGroupOperator(
        task_id="create_group", name="Engineering", parent="Acme", public=True
    )
    user = users.Learning360CreateUserOperator(
        task_id="create_user", mail=MAIL, first_name="Ana", last_name="Roy", mode="create_active", group="Engineering"
    )
    session = paths.Learning360CreatePathSessionOperator(
        task_id="create_path_session",
        path="Onboarding",
        name=SESSION,
        session_start="2026-01-05T09:00:00Z",
        group="Acme",
    )
    rows = Learning360BulkOperator(
        task_id="bulk",
        action="create_user",
        rows=str(EXAMPLES / "new_hires.csv"),
        column_mapping={"department": None},
        defaults={"mode": "create_active"},
        on_invalid="skip",
        results_path=FOLDER,
    )
    external = {"group_id": ROOT_GROUP_ID, "external_platform": "Courses Example", "results_path": FOLDER}
    courses = imports.Learning360ImportExternalCoursesOperator(
        task_id="import_external_courses",
        rows=str(EXAMPLES / "statistics/courses.csv"),
        author_id=ADMIN_ID,
        **external,
    )
    statistics = imports.Learning360ImportStatisticsOperator(
        task_id="import_statistics", rows=str(EXAMPLES / "statistics/statistics-2026-08.csv"), **external
    )
    one_after_the_other = [
        group,
        user,
        users.Learning360UpdateUserOperator(task_id="update_user", user=MAIL, job="Engineer"),
        groups.Learning360UpdateGroupOperator(task_id="update_group", group="Engineering", public=True),
        groups.Learning360AddUserToGroupOperator(task_id="add_user_to_group", group="Engineering", user=GRACE_MAIL),
        Learning360AddToCatalogOperator(task_id="add_to_catalog", group="Engineering", courses=["Welcome to Acme"]),
        session,
        paths.Learning360EnrollUsersOperator(task_id="enroll_users", session=SESSION, users=[MAIL, GRACE_MAIL]),
        paths.Learning360EnrollGroupsOperator(task_id="enroll_groups", session=SESSION, groups=["Engineering"]),
        Learning360UserActiveSensor(task_id="wait_for_user", users=[MAIL], poke_interval=2),
        Learning360GroupMembershipSensor(
            task_id="wait_for_membership", group="Engineering", user=GRACE_MAIL, poke_interval=2
        ),
        Learning360CoursePublishedSensor(
            task_id="wait_for_publication", since=INTERVAL["interval_start"], poke_interval=2
        ),
        Learning360PathSessionCompletionSensor(
            task_id="wait_for_path_session", session=SESSION, deferrable=True, poke_interval=2
        ),
        Learning360PathSessionStatusSensor(task_id="wait_for_statuses", session=SESSION, poke_interval=2),
        Learning360CourseCompletionSensor(
            task_id="wait_for_course", course="Welcome to Acme", user=MAIL, poke_interval=2
        ),
        rows,
        courses,
        statistics,
        exports.Learning360ExportUsersOperator(task_id="export_users", output_path=f"{FOLDER}.csv"),
        exports.Learning360ExportGroupsOperator(task_id="export_groups", output_path=f"{FOLDER}.csv"),
        exports.Learning360ExportMembershipsOperator(task_id="export_memberships", output_path=f"{FOLDER}.csv"),
        exports.Learning360ExportCoursesOperator(task_id="export_courses", output_path=f"{FOLDER}.csv"),
        exports.Learning360ExportPathsOperator(task_id="export_paths", output_path=f"{FOLDER}.csv"),
        exports.Learning360ExportPathSessionsOperator(task_id="export_path_sessions", output_path=f"{FOLDER}.csv"),
        exports.Learning360ExportCourseStatisticsOperator(
            task_id="export_course_statistics", output_path=f"{FOLDER}.csv", **INTERVAL
        ),
        exports.Learning360ExportPathSessionStatisticsOperator(
            task_id="export_path_session_statistics", output_path=f"{FOLDER}.csv", **INTERVAL
        ),
        paths.Learning360UnenrollUsersOperator(task_id="unenroll_users", session=SESSION, users=[GRACE_MAIL]),
        Learning360RemoveFromCatalogOperator(
            task_id="remove_from_catalog", group="Engineering", courses=["Welcome to Acme"]
        ),
        groups.Learning360RemoveUserFromGroupOperator(
            task_id="remove_user_from_group", group="Engineering", user=GRACE_MAIL
        ),
        users.Learning360DeleteUserOperator(task_id="delete_user", user=MAIL),
        groups.Learning360DeleteGroupOperator(task_id="delete_group", group="Engineering"),
    ]
    chain(*one_after_the_other)


every_operator()
