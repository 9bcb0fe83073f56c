"""An order that was answered AA is there, whatever happens to the receiver; one that was not is sent again and kept once."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agent.store.engine import Ledger
from agent.store.schema import audit, hl7_message, job
from tests.support.hl7_sender import Sender, framed, order
from tests.support.site import Site, free_port
from tests.support.web import certificates


@pytest.fixture
def hearing(site: Site) -> Iterator[tuple[Site, int]]:
    port = free_port()
    site.set("orders", host="127.0.0.1", port=port)
    yield site, port


def kept(site: Site) -> tuple[list[Any], list[Any]]:
    ledger = Ledger(site.settings().database_url)
    with ledger.read() as view:
        found = list(view.execute(select(hl7_message))), list(view.execute(select(job)))
    ledger.close()
    return found


def test_an_order_that_was_acknowledged_survives_kill_9(hearing: tuple[Site, int]) -> None:
    site, port = hearing
    receiver = site.serve("--role", "receive")
    with Sender(port) as ris:
        for n in range(5):
            ris.send(framed(order(f"C{n}")))
            assert ris.answer()["MSA"][1] == "AA"
        ris.send(framed(order("C5")))  # and nobody waits for the answer
        receiver.send_signal(signal.SIGKILL)
        receiver.wait()
    before, _ = kept(site)
    assert {f"C{n}" for n in range(5)} <= {m.control_id for m in before}
    site.serve("--role", "receive")
    with Sender(port) as ris:
        for n in range(6):
            ris.send(framed(order(f"C{n}")))
            assert ris.answer()["MSA"][1:3] == ["AA", f"C{n}"]
    messages, jobs = kept(site)
    assert sorted(m.control_id for m in messages) == [f"C{n}" for n in range(6)]
    assert sorted(j.key for j in jobs if j.kind == "orders") == sorted(str(m.id) for m in messages)


def test_where_orders_are_heard_is_said_and_no_patient_is_named_in_a_log(hearing: tuple[Site, int]) -> None:
    site, port = hearing
    assert f"nothing listens on 127.0.0.1:{port}" in checks(site)["HL7 port"]["words"]
    site.serve("--role", "receive")
    with Sender(port) as ris:
        ris.send(framed(order().replace(b"Test^Patient", b"SECRETNAME^Patient"))).answer()
        ris.send(framed(order().replace(b"|F\r", b"|F|SECRETNAME\r").replace(b"ORC|NW", b"ORC|QQ"))).answer()
        ris.send(framed(b"SECRETNAME")).answer()
    log = site.log.read_text(encoding="utf-8")
    assert "HL7 message kept" in log
    assert "HL7 message refused" in log
    assert "SECRETNAME" not in log
    assert f"HL7 messages on 127.0.0.1:{port}" in site.run("studies").stdout
    assert checks(site)["HL7 port"]["state"] == "ok"
    refused = site.run("refusals").stdout
    assert "hl7 message AE 103 table-value-not-found: ORC-1" in refused
    assert "quarantine" in refused


def checks(site: Site) -> dict[str, dict[str, str]]:
    found = json.loads(site.run("doctor", "--json").stdout)
    return {c["what"]: c for c in found}


def test_a_port_that_somebody_else_has_is_named_and_the_receiver_ends(hearing: tuple[Site, int]) -> None:
    site, port = hearing
    with socket.create_server(("127.0.0.1", port)):
        done = site.run("serve", "--role", "receive")
        assert done.returncode != 0
        assert f"127.0.0.1:{port}" in done.stderr
        assert "orders.port" in done.stderr
        assert checks(site)["HL7 port"]["state"] == "bad"


def test_tls_files_that_cannot_be_used_are_bad_news_before_the_line_runs(
    hearing: tuple[Site, int], tmp_path: Path
) -> None:
    site, _ = hearing
    ca, own, _ = certificates(tmp_path / "tls")
    table = f'tls = {{ ca_file = "{ca}", certificate_file = "{own}", key_file = "{tmp_path / "none.key"}" }}\n'
    text = site.settings_file.read_text(encoding="utf-8")
    site.settings_file.write_text(text.replace("[orders]\n", f"[orders]\n{table}"), encoding="utf-8")
    assert "none.key" in checks(site)["HL7 TLS"]["words"]
    done = site.run("serve", "--role", "receive")
    assert done.returncode != 0
    assert "none.key" in done.stderr


def test_who_is_not_let_in_stands_in_the_audit_trail(hearing: tuple[Site, int]) -> None:
    site, port = hearing
    site.set("orders", allow=["192.0.2.0/24"])
    site.serve("--role", "receive")
    with Sender(port) as stranger:
        assert stranger.is_closed()
    assert "hl7 caller address-not-allowed" in site.run("refusals").stdout
    ledger = Ledger(site.settings().database_url)
    with ledger.read() as view:
        assert any("address-not-allowed" in str(row) for row in view.execute(select(audit)))
    ledger.close()
