"""API v2: the actions of :class:`~airflow_provider_360learning.api.interface.LearningApi`, one module per subject."""
