"""The one exception a person sees: it becomes a single line, never a traceback."""


class CannotContinueError(Exception):
    """Says in one line what failed and what to do about it; holds no patient data."""
