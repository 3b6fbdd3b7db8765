"""Models of the actions' arguments: the only statement of what is valid, for operators, rows and ``hook.api``."""
