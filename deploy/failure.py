"""The one exception whose text a person sees: as a single line, without a traceback."""


class CannotContinueError(Exception):
    """Says in one line what failed and what to do about it; holds no patient data."""
