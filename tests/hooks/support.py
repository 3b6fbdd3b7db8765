"""What tests of several hooks share."""

from __future__ import annotations

import pytest

#: Airflow 3.1 reads an extra when it reads its connection. The error of a secrets backend is logged only.
reaches_the_hook = pytest.mark.airflow(
    "!=3.1.*", reason="Airflow 3.1 reports a connection with an invalid extra as not defined"
)
