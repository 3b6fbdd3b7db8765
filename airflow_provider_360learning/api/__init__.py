"""360Learning over HTTP. Nothing in here imports Airflow: it can be lifted out and used in a script."""
