"""The demo: real Airflow against the sandbox."""
