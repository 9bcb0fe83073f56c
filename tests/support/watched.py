"""What a monitor sees of a site."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.site import PATIENCE_S, Site


def ask(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Status and body; 0 when nobody answers."""
    request = urllib.request.Request(url, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def url_of(site: Site, path: str) -> str:
    return f"http://127.0.0.1:{site.settings().web.port}{path}"


def readiness(site: Site) -> tuple[int, Any]:
    status, body = ask(url_of(site, "/readyz"))
    return status, json.loads(body) if body else None


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """(name, labels) -> value, by Prometheus' own parser."""
    return {
        (s.name, frozenset(s.labels.items())): s.value for f in text_string_to_metric_families(text) for s in f.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))
