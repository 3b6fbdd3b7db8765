"""The connection form for Airflow before 3.2, which the hook returns; needs the form library of those versions."""

from __future__ import annotations

import html
import json
import re

import pytest

from airflow_provider_360learning.connections import form as connection_form

pytest.importorskip("flask_appbuilder", reason="Airflow 3 has no flask_appbuilder of its own")

PROXY = "http://user:pw@proxy.test:3128"


@pytest.fixture
def form():
    import flask
    from wtforms import Form

    widgets = connection_form.connection_form_widgets()
    with flask.Flask(__name__).test_request_context():
        yield type("ConnectionForm", (Form,), widgets)


@pytest.fixture
def filled_in(form):
    """Return a function that returns a form in which a user has entered values."""
    from werkzeug.datastructures import MultiDict

    return lambda **entered: form(MultiDict(entered))


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


def test_accepts_only_known_ways_to_authenticate(filled_in):
    assert filled_in(auth="api_key_header").validate()
    assert filled_in(auth="").validate()
    assert not filled_in(auth="basic").validate()


def test_a_new_form_shows_defaults_and_nothing_else(form):
    shown = {field.name: shown_value(field) for field in form()}
    assert shown == {name: str(connection_form.default_of(name) or "") for name in connection_form.EXTRA_FIELDS}


def test_the_proxy_of_a_stored_connection_is_hidden_by_the_value_with_which_airflow_keeps_it(form):
    from airflow.www.views import SENSITIVE_FIELD_PLACEHOLDER

    proxy = form().proxy
    proxy.data = PROXY  # as Airflow fills in the form for a stored connection
    assert shown_value(proxy) == SENSITIVE_FIELD_PLACEHOLDER
    assert 'type="password"' in str(proxy())


def test_an_entered_proxy_is_kept_when_the_form_is_shown_again_because_of_an_error(filled_in):
    assert shown_value(filled_in(proxy=PROXY, auth="basic").proxy) == PROXY


def test_limits_are_shown_as_json(form):
    limits = form().limits
    limits.data = {"company_writes": 10}
    assert json.loads(shown_value(limits)) == {"company_writes": 10}


def shown_value(field):
    """Return the value that the HTML of a field contains."""
    return html.unescape(re.search(r'value="(.*?)"', str(field())).group(1))
