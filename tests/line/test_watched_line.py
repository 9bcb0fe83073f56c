"""The running line under watch: real processes, real HTTP, a real webhook and a mail server."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from agent.commissioning.films import make_study
from agent.store import alarms
from agent.store.engine import Ledger
from tests.support.films import save
from tests.support.mail import Mailbox
from tests.support.site import SENDER, Site, free_port, until
from tests.support.watched import ask, readiness, samples, url_of, value
from tests.support.web import WebService

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("watched")]

# What must not be anywhere but in the ledger and in the documents.
NAME, PATIENT, ACCESSION = "ZYXWEATHER^QUENTIN", "PID-7Q7Q7Q", "ACC-7Q7Q7"


def planted_film() -> Dataset:
    (film,) = make_study("left-effusion", seed=5, patient_id=PATIENT, accession=ACCESSION, views=("PA",))
    film.PatientName = NAME
    return film


class WatchedSite:
    """A site with its three roles, each alone, a program and people who are told."""

    def __init__(self, site: Site, folder: Path, service: WebService, box: Mailbox) -> None:
        (folder / "secret").write_text("key\n", encoding="ascii")
        self.site, self.service, self.box = site, service, box
        site.set("alarms", look_every_s=1.0)
        site.set("alarms.webhook", url=service.url, secret_file=str(folder / "secret"))
        mail = {
            "host": "127.0.0.1",
            "port": box.port,
            "security": "none",
            "from": "line@hospital",
            "to": ["it@hospital"],
        }
        site.set("alarms.mail", **mail)
        site.set("delivery", first_retry_s=0.2, longest_retry_s=1.0)

    def told(self, code: str) -> list[tuple[str, str]]:
        """(event, about) of what the program was told by that code, in order."""
        bodies: list[dict[str, Any]] = [json.loads(r.body) for r in self.service.requests if r.method == "POST"]
        return [(b["event"], b["about"]) for b in bodies if b["code"] == code]

    def written(self, code: str) -> list[str]:
        return [str(m["Subject"]) for m in self.box.messages if code in str(m["Subject"])]

    def everything_said(self) -> str:
        """Every word that left the line for somebody who watches it."""
        told = [r.body.decode() + str(r.headers) for r in self.service.requests]
        told += [m.as_string() for m in self.box.messages]
        told += [ask(url_of(self.site, path))[1] for path in ("/metrics", "/readyz", "/healthz")]
        return "\n".join([*told, self.site.log.read_text(encoding="utf-8")])


def test_a_process_that_dies_is_known_at_once_to_everybody_and_no_patient_is_named(site: Site, tmp_path: Path) -> None:
    """The film's results are refused by one destination with words about the patient, and taken by another."""
    refusing = WebService(lambda _: (422, "text/plain", f"{NAME} {PATIENT} is unknown".encode()))
    with WebService(lambda _: (204, "", b"")) as service, Mailbox() as box, refusing:
        watched = WatchedSite(site, tmp_path, service, box)
        site.set("model", weights="commissioning", quantization="none", device="cpu")
        site.destination(name="copies", type="folder", path="copies")
        site.destination(name="to-program", type="webhook", url=refusing.url, secret_file=str(tmp_path / "secret"))
        site.serve("--role", "office")
        site.serve("--role", "read")
        receiver = site.serve("--role", "receive")
        until(lambda: readiness(site) == (200, {"ready": True, "reasons": []}), what="the line is ready")
        assert site.run("send", "--as", SENDER, str(save(planted_film(), tmp_path / "film.dcm"))).returncode == 0
        stored = "preread_last_image_to_sr_stored_seconds_count"
        until(
            lambda: value(samples(ask(url_of(site, "/metrics"))[1]), stored, destination="copies") == 1,
            what="the report is stored and measured",
        )
        measured = samples(ask(url_of(site, "/metrics"))[1])
        assert value(measured, "preread_last_image_to_flag_seconds_count") == 1
        assert value(measured, "preread_last_image_to_flag_seconds_bucket", le="+Inf") == 1
        assert sum(v for (name, _), v in measured.items() if name == "preread_model_tokens_total") > 0
        until(lambda: watched.told("deliveries-parked"), what="the refused delivery is an alarm")
        assert watched.told("deliveries-parked") == [("raised", "to-program")]

        receiver.send_signal(signal.SIGKILL)
        receiver.wait()
        until(lambda: readiness(site)[0] == 503, what="not ready any more")
        assert readiness(site)[1]["reasons"] == [{"code": "process-silent", "about": "receive"}]
        until(lambda: watched.told("process-silent"), what="the program is told")
        until(lambda: watched.written("process-silent"), what="people are told")

        site.serve("--role", "receive")
        until(lambda: readiness(site)[0] == 200, what="ready again")
        until(lambda: len(watched.told("process-silent")) == 2, what="the program is told that it is over")
        until(lambda: len(watched.written("process-silent")) == 2, what="people are told that it is over")
        assert watched.told("process-silent") == [("raised", "receive"), ("recovered", "receive")]
        assert watched.written("process-silent") == [
            "[PREREAD] ALARM: process-silent: receive",
            "[PREREAD] is over: process-silent: receive",
        ]
        said = watched.everything_said()
    assert "to-program" in said, "it does hold what was said"
    for word in (*NAME.split("^"), PATIENT, ACCESSION):
        assert word not in said


def _office(site: Site) -> str:
    return next((p["words"] for p in site.json("studies")["processes"] if p["role"] == "office"), "")


def test_a_port_that_is_taken_stops_no_delivery_and_is_tried_again(site: Site) -> None:
    port = free_port()
    site.set("web", port=port).set("alarms", look_every_s=1.0)
    with socket.create_server(("127.0.0.1", port)):
        site.serve("--role", "office")
        assert f"NO WEB SERVER: port {port} on 127.0.0.1 is taken" in _office(site)
        until(lambda: "web-not-listening" in _raised(site), what="it is an alarm")
        found = {c["what"]: c for c in site.json("doctor", "--no-network")}
        assert found["alarm web-not-listening"]["state"] == "bad"
        assert "NO WEB SERVER" in found["process office"]["words"]
    until(lambda: ask(url_of(site, "/healthz"))[0] == 200, what="it listens")
    until(lambda: f"web server on 127.0.0.1:{port}" in _office(site), what="it says so")
    until(lambda: not _raised(site), what="the alarm is over")


def _raised(site: Site) -> set[str]:
    ledger = Ledger(site.settings().database_url)
    with ledger.read() as view:
        found = {a.code for a in alarms.raised(view) if a.code.startswith("web")}
    ledger.close()
    return found


def test_without_the_web_server_nothing_listens_and_the_line_runs(site: Site) -> None:
    site.set("web", enabled=False)
    site.serve("--role", "office")
    assert ask(url_of(site, "/healthz"))[0] == 0
    assert "WEB" not in _office(site).upper()


def test_the_receiver_imports_no_web_framework(site: Site) -> None:
    probe = (
        "import sys, agent.service, agent.intake.admission, agent.intake.listen\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'fastapi', 'starlette', 'uvicorn', 'prometheus_client'}))"
    )
    done = subprocess.run([site.command()[0], "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
