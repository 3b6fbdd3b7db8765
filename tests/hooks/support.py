"""What tests of several hooks share."""

from __future__ import annotations

import pytest

#: Airflow 3.0 and 3.1 read an extra when they read its connection. The error of a secrets backend is logged only.
reaches_the_hook = pytest.mark.airflow(
    "!=3.0.*,!=3.1.*", reason="Airflow 3.0 and 3.1 report a connection with an invalid extra as not defined"
)
