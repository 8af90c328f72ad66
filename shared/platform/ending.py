"""How a process ends that something has ended: the sentence in its log, and its exit code."""

import sys
from types import TracebackType

from shared.platform import log
from shared.platform.settings import ConfigurationError

EXIT_CONFIGURATION = 78


def logged(error: BaseException) -> int:
    """Log why the process ends, and its exit code. What is wrong in a configuration is said whole."""
    leaves = _leaves(error)
    wrong = next((each for each in leaves if isinstance(each, ConfigurationError)), None)
    if wrong is not None:
        log.get().error(str(wrong), error="ConfigurationError")
        return EXIT_CONFIGURATION
    for each in leaves:
        log.get().error("ended", place=log.place_of(each), error=type(each).__name__)
    return 1


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors themselves, whatever group they came in."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in _leaves(each)]


def uncaught(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    """As `sys.excepthook`: a table is read when its module is imported, before a service's `main` could catch it."""
    if not isinstance(error, ConfigurationError):
        return sys.__excepthook__(kind, error, place)
    log.configure(_service())
    sys.exit(logged(error))


def _service() -> str:
    """The service that was started: `python -m services.NAME.app`."""
    started = sys.modules["__main__"].__spec__
    return started.name.split(".")[1] if started is not None and started.name.startswith("services.") else "hub"
