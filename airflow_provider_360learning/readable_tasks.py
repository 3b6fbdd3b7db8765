"""
What the UI shows of a task: the names of mapped tasks, and documentation.

Imported when DAG files are parsed; names are made when a task runs.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_360learning.get_provider_info import DISTRIBUTION, DOCUMENTATION_URL

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    _Task = BaseOperator  # the class that the mixin is mixed into
else:
    _Task = object

#: Maximum number of characters of the name of a mapped task: the size of a column of Airflow's database.
MAX_MAPPED_NAME = 250

_TEMPLATE = "{{ task.mapped_name(ti.map_index) }}"
#: What follows the description in the docstring of an operator.
_PARAMETERS = re.compile(r"^(?::param |\.\. seealso)", re.MULTILINE)
_ROLE = re.compile(r":\w+:`[~.]*([^`]*)`")
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]*:[^/@\s]*(?=@)")
#: The query of a URL, which holds the signature of a signed one.
_QUERY = re.compile(r"(?<=://)([^?#]*)[?#].*", re.DOTALL)
#: Maximum number of characters of an argument that are examined: the patterns take time that grows with the square.
_MAX_EXAMINED = 4 * MAX_MAPPED_NAME


class ReadableTaskMixin(_Task):
    """
    Name mapped tasks by their arguments, and document tasks in the UI.

    Airflow's ``partial`` never calls ``__init__``, hence the same defaults in both. An explicit ``map_index_template``
    (``None`` for Airflow's numbers) or ``doc_md`` wins, also one of ``default_args``.
    """

    #: The arguments that name a mapped task, the main one first; none of them may be a secret.
    name_arguments: ClassVar[tuple[str, ...]] = ()
    #: The page of the documentation, in ``docs``.
    documentation_page: ClassVar[str]

    # Any: the arguments of Airflow's base class.
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.doc_md is None:
            self.doc_md = documentation_of(type(self))
        is_mapped = self.get_closest_mapped_task_group() is not None
        if is_mapped and self.map_index_template is None and "map_index_template" not in kwargs:
            self.map_index_template = _TEMPLATE

    # Any: the arguments of Airflow's method.
    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """See :meth:`airflow.sdk.BaseOperator.partial`."""
        partial: OperatorPartial = super().partial(**kwargs)
        if partial.kwargs.get("doc_md") is None:
            partial.kwargs["doc_md"] = documentation_of(cls)
        if partial.kwargs.get("map_index_template") is None and "map_index_template" not in kwargs:
            partial.kwargs["map_index_template"] = _TEMPLATE
        return partial

    def name_value(self, argument: str) -> object:
        """
        Return the value of an argument for the name of this task, or ``None`` if it must not be shown.

        :param argument: One of :attr:`name_arguments`.
        """
        return getattr(self, argument, None)

    def mapped_name(self, map_index: int) -> str:
        """
        Return the name of this task among those that were mapped with it.

        It consists of the arguments that differ among them. Where none of these is a name, such as a list of rows, it
        ends with the index.

        :param map_index: Index of this task.
        """
        from airflow_provider_360learning.api.text import one_line

        same = getattr(self.dag.get_task(self.task_id), "partial_kwargs", {})
        texts = {name: _text(self.name_value(name)) for name in self.name_arguments}
        differing = ", ".join(text for name, text in texts.items() if text and name not in same)
        if differing:
            name = one_line(differing, MAX_MAPPED_NAME)
        else:
            index = f" {map_index}"
            name = one_line(", ".join(filter(None, texts.values())), MAX_MAPPED_NAME - len(index)) + index
        name = name.strip() or str(map_index)  # a name may consist of invisible characters
        # A native template evaluates its text, and a group may have the name 2026.
        return repr(name) if self.dag.render_template_as_native_obj else name


@cache
def documentation_of(kind: type[ReadableTaskMixin], home: str = DOCUMENTATION_URL) -> str:
    """
    Return the description in the docstring of an operator or sensor as Markdown, and where its arguments are described.

    :param kind: The operator or sensor.
    :param home: URL of the documentation, if it has one.
    """
    description = _PARAMETERS.split(inspect.getdoc(kind) or "", maxsplit=1)[0].strip()
    markdown = _ROLE.sub(r"`\1`", description).replace("``", "`")
    page = kind.documentation_page
    reference = f"[{page}]({home}/{page})" if home else f"`docs/{page}` of {DISTRIBUTION}"
    return f"{markdown}\n\nArguments and examples: {reference}"


def _text(value: object) -> str:
    """Return the text of an argument, empty for what is not a name: an object, or the text of one."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_360learning.api.text import listed

    if isinstance(value, list | tuple):
        names = [name for name in value if isinstance(name, str)]
        return listed(names, total=len(value)) if names else ""
    if not isinstance(value, str | int | PathLike | ObjectStoragePath):  # a native template makes an integer of 2026
        return ""
    text = str(value).strip()
    return "" if _is_literal(text) else _QUERY.sub(r"\1", _CREDENTIALS.sub("***", text[:_MAX_EXAMINED]))


def _is_literal(text: str) -> bool:
    """Return whether a text is that of a list or an object with strings, as a template makes it."""
    return text.startswith(("[", "{", "(")) and text.endswith(("]", "}", ")")) and ("'" in text or '"' in text)
