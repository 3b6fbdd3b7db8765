"""Airflow connections, read and checked."""
