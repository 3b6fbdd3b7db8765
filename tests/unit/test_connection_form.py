"""The declaration of the connection form."""

from __future__ import annotations

from airflow_provider_360learning.connections.form import EXTRA_FIELDS, default_of

try:
    from airflow._shared.secrets_masker import should_hide_value_for_key
except ImportError:  # Airflow 2
    from airflow.utils.log.secrets_masker import should_hide_value_for_key


def test_fields_whose_values_airflow_masks_have_no_default():
    """Airflow would put ``***`` into the form instead of the default."""
    masked = [name for name in EXTRA_FIELDS if should_hide_value_for_key(name)]
    assert masked == ["token_path", "proxy"]
    assert [default_of(name) for name in masked] == [None, None]
