"""Keep users and groups equal to a snapshot of the HR system."""
