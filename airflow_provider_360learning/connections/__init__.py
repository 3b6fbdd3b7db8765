"""Airflow connections as validated models."""
