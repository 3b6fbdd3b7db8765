"""The demonstration: real Airflow against the sandbox."""
