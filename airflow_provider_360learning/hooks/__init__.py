"""From an Airflow connection to the API."""
