"""docs/alerts.md: every alert of deploy/prometheus/alerts.yml, and what mends it."""

import re
from collections.abc import Iterator, Sequence

import msgspec

from deploy.documents.tables import table
from deploy.paths import REPOSITORY

SOURCE = REPOSITORY / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "hub.json"
INTRODUCTION = """# Alerts

`deploy/prometheus/alerts.yml` holds these rules for a Prometheus that scrapes `/metrics` of every service and replica
as job `iop-hub`; `promtool test rules deploy/prometheus/alerts_test.yml` tries each with a series that fires it and
one that does not. `deploy/grafana/hub.json` is a dashboard of the same [metrics](metrics.md), to be imported into
Grafana. `page` should reach somebody whatever the hour, `ticket` in business hours. This page is made from the rules
by `make docs`.

"""
METRIC = re.compile(r"\b(iop_\w+)(?:\{(.*?)\})?")
SUFFIX = re.compile("_(count|bucket|sum)$")


class _Annotations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    summary: str
    remedy: str


class _Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    severity: str


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """One alert. `expr` is in Prometheus' language, `for_` how long it has to hold."""

    alert: str
    expr: str
    for_: str
    labels: _Labels
    annotations: _Annotations


class _Group(msgspec.Struct, frozen=True):
    rules: tuple[Rule, ...]


class _File(msgspec.Struct, frozen=True):
    groups: tuple[_Group, ...]


class _Target(msgspec.Struct, frozen=True):
    expr: str


class _Panel(msgspec.Struct, frozen=True):
    targets: tuple[_Target, ...]


class _Dashboard(msgspec.Struct, frozen=True):
    panels: tuple[_Panel, ...]


def rules() -> Sequence[Rule]:
    """As the file has them."""
    (group,) = msgspec.yaml.decode(SOURCE.read_bytes(), type=_File).groups
    return group.rules


def panels() -> list[str]:
    """What the dashboard asks."""
    read = msgspec.json.decode(DASHBOARD.read_bytes(), type=_Dashboard)
    return [target.expr for panel in read.panels for target in panel.targets]


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics that an expression names, as the service declares them, and the labels by which it picks."""
    for name, labels in METRIC.findall(expression):
        yield SUFFIX.sub("", name), set(re.findall(r"(\w+)\s*(?:!?=~?|!~)", labels)) - {"le"}


def page() -> str:
    """The whole page."""
    rows = (
        (
            each.alert,
            each.labels.severity,
            f"`{each.expr}`",
            each.for_,
            each.annotations.summary,
            each.annotations.remedy,
        )
        for each in rules()
    )
    return INTRODUCTION + table(("alert", "severity", "expression", "for", "what it is", "what to do"), rows)
