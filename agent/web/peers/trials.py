"""What can be tried from the page of the peers: each a function that does it and says how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from pydicom.uid import UID

from agent.delivery.build import build_destinations
from agent.doctor.trial_message import send_test_message
from agent.errors import Permanent
from agent.evaluation.qc.door import find_door
from agent.evaluation.qc.run import ConstancyTest
from agent.evaluation.qc.state import AWAY, absence
from agent.mending.hand import Hand
from agent.mending.retrying import retry_destination
from agent.settings import Hl7DestinationSettings, PeerSettings, Settings
from agent.store.qc import QcRun
from agent.web.context import WebContext
from agent.web.tasks import Teller
from dicom_nodes import scu
from dicom_nodes.contexts import TRANSFER_SYNTAXES
from dicom_nodes.probe import ACCEPTED, look_at_tls, proposals
from dicom_nodes.tls import TlsFiles, TlsFilesUnusable

_TIMEOUT_S, _STEP_S = 10.0, 0.25
Test = Callable[[WebContext, str, Teller], bool]


def echo(context: WebContext, name: str, say: Teller) -> bool:
    """C-ECHO (PS3.4 Annex A)."""
    settings = context.current
    peer = settings.peer(name)
    answer = scu.echo(peer, own_ae_title=settings.node.ae_title, timeout_s=_TIMEOUT_S)
    say.step("echo", f"{answer.status:04X}, {answer.seconds * 1000:.0f} ms", state="ok" if not answer.status else "bad")
    return not answer.status


def association(context: WebContext, name: str, say: Teller) -> bool:
    """What it accepts, SOP class by transfer syntax."""
    settings = context.current
    peer = settings.peer(name)
    found = proposals(peer, own_ae_title=settings.node.ae_title, timeout_s=_TIMEOUT_S)
    syntaxes = [(t.uid, t.name) for t in TRANSFER_SYNTAXES]
    rows = [(UID(p.sop_class_uid).name, p.results) for p in found]
    taken = [name for name, results in rows if ACCEPTED in results.values()]
    say.found(syntaxes=syntaxes, proposals=rows)
    say.step("association", f"{len(taken)} / {len(rows)}", state="ok" if taken else "bad")
    return bool(taken)


def tls(context: WebContext, name: str, say: Teller) -> bool:
    """Certificates, how long they last, and whether both ends accept each other."""
    host, port, files = _tls_of(context.current, name)
    try:
        look = look_at_tls(host, port, files, timeout_s=_TIMEOUT_S)
    except TlsFilesUnusable as error:
        raise Permanent(str(error), code="certificates-unusable") from error
    now, enough = context.clock.now(), timedelta(days=context.current.alarms.certificate_days)
    chain = [(one, (one.not_after - now).days, one.not_after - now > enough) for one in look.chain]
    say.found(chain=chain)
    say.step("tls", look.version)
    if look.trouble:
        say.step("tls_refused", look.trouble, state="bad")
    return not look.trouble and all(lasting for _, _, lasting in chain)


def destination(context: WebContext, name: str, say: Teller) -> bool:
    """Whether it would take what is sent to it; nothing is left there."""
    built = build_destinations(context.current)
    if name not in built:
        raise Permanent(f'there is no destination "{name}" in the settings', code="unknown-destination")
    found = built[name].probe()
    say.step("destination", said=found.said)
    if found.remarks:
        say.step("remark", state="note", said=found.remarks)
    return True


def message(context: WebContext, name: str, say: Teller) -> bool:
    """A message of a test patient, marked as training."""
    receipt = send_test_message(context.current, name)
    say.step("message", receipt.for_the_ledger())
    return True


def patient(context: WebContext, name: str, say: Teller) -> bool:
    """A drawn film from end to end, by C-STORE like a modality's."""
    settings, clock = context.current, context.clock
    if gone := absence(context.ledger, clock.now()):
        raise Permanent(gone, code="line-not-running")
    door = find_door(settings)
    test = ConstancyTest(context.ledger, clock, settings, lambda: door, patience_s=settings.model.deadline_s)
    run = test.begin((name or settings.qc.films[0],))
    try:
        return _carried_out(context, test, run, say)
    except BaseException:
        test.give_up(run.id)
        raise


def _carried_out(context: WebContext, test: ConstancyTest, run: QcRun, say: Teller) -> bool:
    clock, told = context.clock, set[str]()
    alive = clock.now()
    while run.finished_at is None:
        gone = absence(context.ledger, now := clock.now())
        alive = alive if gone else now
        run = test.fail(run, gone) if now - alive > AWAY else test.advance(run)
        _say_new(test, run, told, say)
        time.sleep(_STEP_S)
    for check in run.checks:
        say.step("check", f"{check['what']}: {check['words']}", state="ok" if check["passed"] else "bad")
    return bool(run.passed)


def _say_new(test: ConstancyTest, run: QcRun, told: set[str], say: Teller) -> None:
    """Whatever has happened to the film since, once."""
    seen = test.look(run)
    if not seen:
        return
    film, now = run.films[0], seen[0]
    say.found(study=film["study_instance_uid"])
    flag, reading = now.flag, now.reading
    done = {
        "sent": (True, film["trouble"]),
        "arrived": (now.arrived_at is not None, ""),
        "flagged": (flag is not None, "" if flag is None else f"{flag.seconds:.1f} s {flag.priority} {flag.trouble}"),
        "read": (reading is not None, "" if reading is None else f"{reading.outcome} {reading.seconds:.1f} s"),
        "reported": (now.reported, ", ".join(kind for kind, _ in now.documents)),
    }
    for key, (happened, words) in done.items():
        if happened and key not in told:
            told.add(key)
            say.step(key, words.strip(), state="bad" if key == "sent" and words else "ok")


def retry(hand: Hand, name: str, reason: str, say: Teller) -> bool:
    """Send again what could not be delivered there."""
    count = retry_destination(hand, name, reason, lambda done, of: say.found(done=done, of=of))
    say.step("retried", str(count))
    return True


def _tls_of(settings: Settings, name: str) -> tuple[str, int, TlsFiles]:
    """Where TLS is spoken with that peer or destination, and with which files. Raises `Permanent`."""
    if any(p.name == name for p in settings.peers):
        peer = settings.peer(name)
        if peer.tls is not None:
            return peer.host, peer.port, peer.tls
    wanted = next((d for d in settings.destinations if d.name == name), None)
    if isinstance(wanted, Hl7DestinationSettings) and wanted.tls is not None:
        return wanted.host, wanted.port, wanted.tls.files()
    url = urlsplit(getattr(wanted, "url", ""))
    if url.scheme == "https" and url.hostname:
        ca, own, key = (getattr(wanted, file) for file in ("ca_file", "certificate_file", "key_file"))
        return url.hostname, url.port or 443, TlsFiles(ca, own, key, url.hostname)
    raise Permanent(f"{name} is not spoken to over TLS", code="no-tls")


def of_peer(peer: PeerSettings) -> tuple[str, ...]:
    """What can be tried with it: only who is called can be asked."""
    called = bool(peer.may & {"receive", "query"})
    return (*(("echo", "association") if called else ()), *(("tls",) if peer.tls and called else ()))


def of_destination(wanted: object) -> tuple[str, ...]:
    """What can be tried with it."""
    found = ["destination"]
    if isinstance(wanted, Hl7DestinationSettings):
        found.append("message")
    if getattr(wanted, "tls", None) is not None or str(getattr(wanted, "url", "")).startswith("https"):
        found.append("tls")
    return tuple(found)


TESTS: Mapping[str, Test] = {
    "echo": echo, "association": association, "tls": tls, "destination": destination, "message": message, "patient": patient,
}  # fmt: skip
