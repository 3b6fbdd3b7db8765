"""Types of the fields of action arguments. Static types are those of the parsed values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, TypeAlias, get_args

from pydantic import Field, PlainValidator, SecretStr

from airflow_provider_360learning.api.models.base import NameOf, NotInRows, parse_choice
from airflow_provider_360learning.api.models.choices import ClearedField
from airflow_provider_360learning.api.models.parsers import (
    parse_boolean,
    parse_color,
    parse_custom_fields,
    parse_custom_value,
    parse_external_id,
    parse_filled_list,
    parse_id,
    parse_integer,
    parse_list,
    parse_mail,
    parse_multiline_text,
    parse_number,
    parse_password,
    parse_spent_seconds,
    parse_text,
    parse_timestamp,
    parse_upload,
    parse_url,
    parse_user,
    parse_users,
)
from airflow_provider_360learning.api.types import Upload


@dataclass(frozen=True, slots=True)
class IgnoresCase:
    """Marks types whose values name the same if they differ in case only: email addresses and ids of 360Learning."""


#: A single-line text.
Text: TypeAlias = Annotated[str, PlainValidator(parse_text)]
#: A text with lines, such as HTML.
MultilineText: TypeAlias = Annotated[str, PlainValidator(parse_multiline_text)]
Mail: TypeAlias = Annotated[str, PlainValidator(parse_mail), IgnoresCase()]
Id: TypeAlias = Annotated[str, PlainValidator(parse_id), IgnoresCase()]
#: The id of another system.
ExternalId: TypeAlias = Annotated[str, PlainValidator(parse_external_id)]
#: The email address or the id of an existing user.
User: TypeAlias = Annotated[str, PlainValidator(parse_user), IgnoresCase()]
Url: TypeAlias = Annotated[str, PlainValidator(parse_url)]
Color: TypeAlias = Annotated[str, PlainValidator(parse_color)]
Password: TypeAlias = Annotated[SecretStr, PlainValidator(parse_password)]
#: A file to upload. Operators read it from its path. Rows cannot have one: they could name any file of the host.
File: TypeAlias = Annotated[Upload, PlainValidator(parse_upload)]
Boolean: TypeAlias = Annotated[bool, PlainValidator(parse_boolean)]
#: Whether an action that destroys something only returns what would be lost. Tasks of rows have their own dry run.
DryRun: TypeAlias = Annotated[bool, PlainValidator(parse_boolean), NotInRows()]
Timestamp: TypeAlias = Annotated[datetime, PlainValidator(parse_timestamp)]
Texts: TypeAlias = Annotated[Sequence[str], PlainValidator(partial(parse_list, parse_text))]
ExternalIds: TypeAlias = Annotated[Sequence[str], PlainValidator(partial(parse_filled_list, parse_external_id))]
ClearedFields: TypeAlias = Annotated[
    Sequence[ClearedField], PlainValidator(partial(parse_list, parse_choice(*get_args(ClearedField))))
]
Mails: TypeAlias = Annotated[Sequence[str], PlainValidator(partial(parse_list, parse_mail)), IgnoresCase()]
Ids: TypeAlias = Annotated[Sequence[str], PlainValidator(partial(parse_list, parse_id)), IgnoresCase()]
FilledIds: TypeAlias = Annotated[Sequence[str], PlainValidator(partial(parse_filled_list, parse_id)), IgnoresCase()]
Users: TypeAlias = Annotated[Sequence[str], PlainValidator(parse_users), IgnoresCase()]
FilledUsers: TypeAlias = Annotated[Sequence[str], PlainValidator(partial(parse_filled_list, parse_user)), IgnoresCase()]
CustomFields: TypeAlias = Annotated[Mapping[str, str | date] | None, PlainValidator(parse_custom_fields)]
#: The value of one custom field.
CustomValue: TypeAlias = Annotated[str | date, PlainValidator(parse_custom_value)]
#: Days, hours, minutes, seconds and positions are bounded only to keep out what cannot be meant.
Days: TypeAlias = Annotated[int, PlainValidator(partial(parse_integer, minimum=1, maximum=10_000))]
Months: TypeAlias = Annotated[int, PlainValidator(partial(parse_integer, minimum=1, maximum=10_000))]
Order: TypeAlias = Annotated[int, PlainValidator(partial(parse_integer, minimum=0, maximum=10_000_000))]
Hours: TypeAlias = Annotated[float, PlainValidator(partial(parse_number, minimum=0, maximum=10_000))]
#: A number of learners, or of tokens for them.
UserLimit: TypeAlias = Annotated[int, PlainValidator(partial(parse_integer, minimum=1, maximum=10_000_000))]
Percent: TypeAlias = Annotated[float, PlainValidator(partial(parse_number, minimum=0, maximum=100))]
WholePercent: TypeAlias = Annotated[int, PlainValidator(partial(parse_integer, minimum=0, maximum=100))]
Minutes: TypeAlias = Annotated[float, PlainValidator(partial(parse_number, minimum=0, maximum=10_000_000))]
SpentSeconds: TypeAlias = Annotated[float, PlainValidator(parse_spent_seconds)]
#: A number of people, bounded only to keep out what cannot be meant.
Capacity: TypeAlias = Annotated[int, PlainValidator(partial(parse_integer, minimum=1, maximum=1_000_000))]

# Names in the place of ids. Where one of the two is required, the other may be given instead.

GroupName: TypeAlias = Annotated[Text | None, NameOf("group", "group_id", is_required=True)]
SessionName: TypeAlias = Annotated[Text | None, NameOf("session", "session_id", is_required=True)]
CourseName: TypeAlias = Annotated[Text | None, NameOf("course", "course_id", is_required=True)]
TagName: TypeAlias = Annotated[Text | None, NameOf("tag", "tag_id", is_required=True)]
#: The name of a path whose id is optional.
PathName: TypeAlias = Annotated[Text | None, NameOf("path", "path_id")]
#: The name of the group under which groups are created.
ParentGroupName: TypeAlias = Annotated[Text | None, NameOf("group", "parent_group_id")]

GROUP = Field(
    default=None,
    description="Name of the group instead of ``group_id``; where it is not unique, after those of its parents: "
    "``Acme/Sales``.",
)
SESSION = Field(
    default=None, description="Name of the session instead of ``session_id``; where it is not unique, with the path."
)
COURSE = Field(default=None, description="Name of the course instead of ``course_id``.")
TAG = Field(default=None, description="Name of the tag instead of ``tag_id``.")
PATH = Field(default=None, description="Name of the path instead of ``path_id``.")
PATH_ID = Field(default=None, description="Id of the path; without it, API v2 looks it up.")
DRY_RUN = Field(
    default=False, description="Whether to change nothing, and only look up and return what would be changed."
)
CREATE_GROUPS = Field(
    default=False, description="Whether to create groups whose names do not exist, under the given parent."
)
PARENT_GROUP_ID = Field(
    default=None,
    description="Id of the parent of new groups; among groups of one name, a child of it is meant.",
)
PARENT_GROUP = Field(default=None, description="Name of that parent instead of ``parent_group_id``.")


def id_or_name(description: str) -> Any:
    """
    Return the field of an id that is required unless a name is given instead.

    Any: the static type of the field is that of an id that is given, because an action gets no names.

    :param description: Description of the id.
    """
    return Field(default=None, description=description)
