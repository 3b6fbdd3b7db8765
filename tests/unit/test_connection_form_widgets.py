"""The connection form for Airflow before 3.2, which the hook returns; needs the form library of those versions."""

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
    assert fields["token_path"].default is None
    assert fields["read_timeout"].default == "60"
    assert fields["limits"].default is None
    assert fields["auth"].label.text == "Authentication"


def test_the_proxy_is_a_password_field(form):
    from wtforms import PasswordField

    hidden = [field.name for field in form() if isinstance(field, PasswordField)]
    assert hidden == ["proxy"]


def test_accepts_only_known_ways_to_authenticate(form):
    from werkzeug.datastructures import MultiDict

    def is_valid(auth):
        return form(MultiDict({"auth": auth})).validate()

    assert is_valid("api_key_header")
    assert is_valid("")
    assert not is_valid("basic")
