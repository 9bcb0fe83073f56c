"""A rule or a panel over a metric that does not exist never says anything, and nobody notices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.clock import SystemClock
from agent.health.metrics import LineCollector
from agent.health.trouble import WORDS
from tests.support.planted_ledger import PlantedLedger
from tests.support.promql import metrics_of
from tests.support.site import Site

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/preread.json"
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",), "gauge": ("",)}


@pytest.fixture
def names(site: Site) -> set[str]:
    """Every name that /metrics can hold."""
    site.set("audit.syslog", host="127.0.0.1", tls={})
    text = site.settings_file.read_text().replace("tls = {}", 'tls = { ca_file = "ca.pem" }')
    site.settings_file.write_text(text)
    planted = PlantedLedger(site.settings())
    collector = LineCollector(site.settings(), planted.ledger, planted.files, SystemClock())
    found = {family.name + suffix for family in collector.collect() for suffix in _SUFFIXES[family.type]}
    planted.close()
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def targets(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield from panel.get("targets", [])
        yield from targets(panel.get("panels", []))


def test_each_rule_is_over_metrics_that_exist(names: set[str]) -> None:
    for rule in rules():
        asked = metrics_of(rule["expr"])
        assert asked, rule["alert"]
        assert asked <= names | {"up"}, rule["alert"]
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"].endswith(".")
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_each_rule_asks_for_labels_that_its_metrics_have(site: Site) -> None:
    planted = PlantedLedger(site.settings())
    planted.everything("1.2.3", patient_id="P", name="N", accession="A")
    for role in ("receive", "read", "office"):
        planted.process(role, "ready")
    families = list(LineCollector(site.settings(), planted.ledger, planted.files, SystemClock()).collect())
    planted.close()
    has = {family.name: set(getattr(family, "_labelnames", ())) | {"le"} for family in families}
    has |= {"up": {"job"}}
    for rule in rules():
        metrics = {re.sub(r"_(total|bucket|count|sum|info)$", "", name) for name in metrics_of(rule["expr"])}
        known = set().union(*(has.get(name, set()) for name in metrics))
        asked = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", rule["expr"]))
        asked |= {label for part in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in re.findall(r"\w+", part)}
        asked |= set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert asked <= known, rule["alert"]


def test_a_rule_about_an_alarm_names_one_that_can_be_raised() -> None:
    named = {
        code for rule in rules() for said in re.findall(r'code=~?"([^"]+)"', rule["expr"]) for code in said.split("|")
    }
    assert named
    assert named <= set(WORDS)


def test_each_panel_is_over_metrics_that_exist(names: set[str]) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = [metrics_of(target["expr"]) for target in targets(dashboard["panels"])]
    assert len(asked) > 15
    for metrics in asked:
        assert metrics
        assert metrics <= names
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert dashboard["uid"]


def test_every_metric_and_every_alarm_is_documented(names: set[str]) -> None:
    text = (ROOT / "docs/health.md").read_text(encoding="utf-8")
    stems = {re.sub(r"_(bucket|count|sum)$", "", name) for name in names}
    assert {name for name in stems if f"`{name}" not in text} == set()
    assert {code for code in WORDS if f"`{code}`" not in text} == set()
    documented = set(re.findall(r"`(preread_[a-z_]+)", text))
    assert documented <= stems, "a metric that is documented and not there"


@pytest.mark.parametrize(
    ("expression", "metrics"),
    [
        ('a_b == 0 or absent(up{job="x"})', {"a_b", "up"}),
        ("histogram_quantile(0.95, sum by (le, d) (rate(t_bucket[30m]))) > 60", {"t_bucket"}),
        ('max by (stage) (b{stage=~"flag|read",state!="parked"}) > 1.5', {"b"}),
    ],
)
def test_the_reader_of_expressions_finds_what_is_named(expression: str, metrics: set[str]) -> None:
    assert metrics_of(expression) == metrics


@pytest.mark.parametrize("expression", ["rat(a[5m])", "sum(a", "a ?? b"])
def test_the_reader_of_expressions_refuses_what_is_none(expression: str) -> None:
    with pytest.raises(ValueError):
        metrics_of(expression)
