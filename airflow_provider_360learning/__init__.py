"""Apache Airflow provider for the 360Learning learning platform."""

from __future__ import annotations

__version__ = "0.1.0"
