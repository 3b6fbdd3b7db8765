"""The form as Airflow before 3.2 asks the hook for it; needs the form library that came with those."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.connections import form as connection_form

pytest.importorskip("flask_appbuilder", reason="Airflow 3 has no flask_appbuilder of its own")


@pytest.fixture
def form():
    import flask
    from wtforms import Form

    widgets = connection_form.connection_form_widgets()
    with flask.Flask(__name__).test_request_context():
        yield type("ConnectionForm", (Form,), widgets)


def test_every_extra_field_has_a_widget_with_its_label_and_default(form):
    fields = {field.name: field for field in form()}
    assert list(fields) == list(connection_form.EXTRA_FIELDS)
    assert fields["token_path"].default == "/api/v2/oauth2/token"
    assert fields["read_timeout"].default == "60"
    assert fields["limits"].default is None
    assert fields["auth"].label.text == "Authentication"


def test_the_proxy_is_entered_like_a_password(form):
    from wtforms import PasswordField

    hidden = [field.name for field in form() if isinstance(field, PasswordField)]
    assert hidden == ["proxy"]


def test_only_the_known_ways_to_authenticate_are_accepted(form):
    from werkzeug.datastructures import MultiDict

    def is_valid(auth):
        return form(MultiDict({"auth": auth})).validate()

    assert is_valid("api_key_header")
    assert is_valid("")
    assert not is_valid("basic")
