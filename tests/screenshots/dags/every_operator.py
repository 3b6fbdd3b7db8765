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
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

#: The script of the pictures links this file into a copy of the examples.
EXAMPLES = Path(__file__).parent
FOLDER = f"{os.environ['AIRFLOW_HOME']}/{{{{ task.task_id }}}}"
MAIL = "ana.roy@acme.test"
INTERVAL = {"interval_start": "2026-01-01", "interval_end": "2100-01-01"}


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
        task_id="create_group", name="Engineering", parent_id=ROOT_GROUP_ID, public=True
    )
    group_id = "{{ ti.xcom_pull('create_group')['group_id'] }}"
    user = users.Learning360CreateUserOperator(
        task_id="create_user", mail=MAIL, first_name="Ana", last_name="Roy", mode="create_active", group_id=group_id
    )
    session = paths.Learning360CreatePathSessionOperator(
        task_id="create_path_session",
        path_id=ONBOARDING_PATH_ID,
        name="Onboarding of new hires",
        session_start="2026-01-05T09:00:00Z",
        group_id=ROOT_GROUP_ID,
    )
    session_id = "{{ ti.xcom_pull('create_path_session')['session_id'] }}"
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
        groups.Learning360UpdateGroupOperator(task_id="update_group", group_id=group_id, name="Engineering and data"),
        groups.Learning360AddUserToGroupOperator(task_id="add_user_to_group", group_id=group_id, user=GRACE_MAIL),
        Learning360AddToCatalogOperator(task_id="add_to_catalog", group_id=group_id, course_ids=[WELCOME_COURSE_ID]),
        session,
        paths.Learning360EnrollUsersOperator(task_id="enroll_users", session_id=session_id, users=[MAIL, GRACE_MAIL]),
        paths.Learning360EnrollGroupsOperator(task_id="enroll_groups", session_id=session_id, group_ids=[group_id]),
        Learning360PathSessionCompletionSensor(
            task_id="wait_for_path_session", session_id=session_id, deferrable=True, poke_interval=2
        ),
        Learning360CourseCompletionSensor(
            task_id="wait_for_course", course_id=WELCOME_COURSE_ID, user=MAIL, poke_interval=2
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
        paths.Learning360UnenrollUsersOperator(task_id="unenroll_users", session_id=session_id, users=[GRACE_MAIL]),
        Learning360RemoveFromCatalogOperator(
            task_id="remove_from_catalog", group_id=group_id, course_ids=[WELCOME_COURSE_ID]
        ),
        groups.Learning360RemoveUserFromGroupOperator(
            task_id="remove_user_from_group", group_id=group_id, user=GRACE_MAIL
        ),
        users.Learning360DeleteUserOperator(task_id="delete_user", user=MAIL),
        groups.Learning360DeleteGroupOperator(task_id="delete_group", group_id=group_id),
    ]
    chain(*one_after_the_other)


every_operator()
