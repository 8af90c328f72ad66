"""Where traces go: to the collector that the environment names, if it names one."""

import os
from typing import Final

from shared.platform import tracing
from shared.platform.settings import ConfigurationError, configuration

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


def start(service: str, replica: str) -> None:
    """Record traces from now on, where the environment names a collector. Raises ConfigurationError."""
    endpoint = os.environ.get(ENDPOINT)
    if not endpoint or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    if not endpoint.startswith(("http://", "https://")):
        raise ConfigurationError(f"{ENDPOINT}: must be http(s)://host[:port], a collector of OTLP over HTTP.")
    from shared.platform import trace_export

    with configuration("OTEL_TRACES_SAMPLER_ARG"):
        tracing.record(trace_export.recorder(service, replica))
