"""Pictures of the pages of Airflow that users of the provider see."""
