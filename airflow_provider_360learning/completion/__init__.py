"""When a wait is over: conditions and their status."""
