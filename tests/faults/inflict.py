"""The faults: each is done to a running site while a study goes through it, and says in words what was done."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import generate_uid

from dicom_nodes import scu
from dicom_nodes.roles import Peer
from dicom_nodes.scu import AssociationRejected, NodeError
from tests.faults.checker import Refused
from tests.faults.plan import (
    ANSWERS,
    CLOCK,
    DATABASE,
    DISK,
    KILL,
    MODEL,
    NETWORK,
    READING,
    REFUSAL,
    SUPERVISED,
    Round,
)  # fmt: skip
from tests.faults.world import World, moments_of, pause
from tests.support.fault_proxy import DIRECTIONS, KINDS, NetworkFault
from tests.support.films import small_image
from tests.support.kept_roles import SUPERVISOR
from tests.support.site import ROLES, until

# Every status of PS3.4 Table B.2-1 and of PS3.7 Annex C, with the ends of their ranges, what belongs to other services, and
# what no standard knows.
STATUSES = (
    0x0000, 0x0001, 0xB000, 0xB006, 0xB007, 0xA700, 0xA701, 0xA702, 0xA7FF, 0xA801, 0xA900, 0xA9FF, 0xC000, 0xC001, 0xCFFF, 0x0105,
    0x0106, 0x0107, 0x0110, 0x0111, 0x0112, 0x0113, 0x0114, 0x0115, 0x0116, 0x0117, 0x0118, 0x0119, 0x0120, 0x0121, 0x0122, 0x0123,
    0x0124, 0x0131, 0x0210, 0x0211, 0x0212, 0x0213, 0xFE00, 0xFF00, 0xFF01, 0x1234, 0xDEAD, 0xBEEF,
)  # fmt: skip
# HL7 table 0008, and what is not in it; table 0357 (ERR-3), and what is not in it.
ACK_CODES = ("AA", "AE", "AR", "CA", "CE", "CR", "ZZ")
ERRORS = (
    "",
    "0",
    "100",
    "101",
    "102",
    "103",
    "104",
    "200",
    "201",
    "202",
    "203",
    "204",
    "205",
    "206",
    "207",
    "999",
    "E",
)
# Bytes that go each way between two systems about one study, about.
SIZES = {
    ("sender", "to-server"): 16_000, ("sender", "to-client"): 500, ("pacs", "to-server"): 14_000, ("pacs", "to-client"): 350,
    ("ris", "to-server"): 2_500, ("ris", "to-client"): 120,
}  # fmt: skip
PATIENCE_S = 8.0  # for a fault that strikes what has yet to come
STEPS_S = (-86_400, -3_600, -61, -5, 5, 61, 3_600, 86_400)
_STOPPED_S, _BEYOND_LEASE_S = 3.0, 33.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, in words, and whether it struck."""

    what: str
    happened: bool


class Sending(threading.Thread):
    """A study on its way, while something happens."""

    def __init__(self, world: World, films: list[Path], *, by_dcmtk: bool = False) -> None:
        super().__init__(daemon=True)
        self._world, self._films, self._by_dcmtk = world, films, by_dcmtk
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._world.send(self._films, by_dcmtk=self._by_dcmtk)
        except BaseException as error:
            self.error = error

    def finish(self) -> None:
        self.join()
        if self.error is not None:
            raise self.error


def inflict(world: World, one: Round) -> Outcome:
    """Play one round. Raises `AssertionError` when the site does not come back from it."""
    return _FAULTS[one.kind](world, one, one.chance())


def _sending(world: World, one: Round, chance: random.Random) -> Sending:
    if world.mode == READING and chance.random() < 0.5:
        return Sending(world, world.chest(one.number))
    return Sending(world, world.hand(one.number, images=chance.choice((1, 1, 2))), by_dcmtk=chance.random() < 0.25)


def _kill(world: World, one: Round, chance: random.Random) -> Outcome:
    victim = chance.choice((*ROLES, SUPERVISOR, SUPERVISOR) if world.mode == SUPERVISED else ROLES)
    at_work = chance.random() < 0.75
    if at_work and victim != SUPERVISOR:
        until(lambda: world.is_ready(victim), what=f"{victim} is back")
    sending = _sending(world, one, chance)
    sending.start()
    moment = moments_of(chance, 1.0)
    pause(moment)
    struck = world.roles.kill(victim)
    sending.finish()
    return Outcome(f"SIGKILL to {victim} {moment:.2f} s after the sender began", struck)


def _network(world: World, one: Round, chance: random.Random) -> Outcome:
    where = chance.choice(("sender", "pacs", "ris"))
    direction = chance.choice(DIRECTIONS)
    most = SIZES[where, direction]
    after = chance.randrange(most) if chance.random() < 0.5 else int(most ** chance.random())
    kind = chance.choice(KINDS)
    fault = NetworkFault(kind, direction, after, chance.uniform(0.2, 2.5) if kind == "delay" else 0.0)
    proxy = world.proxies[where]
    before = proxy.happened()
    sending = _sending(world, one, chance)
    proxy.inflict(fault)
    sending.start()
    sending.finish()
    struck = _in_time(lambda: proxy.happened() > before)
    proxy.clear()
    return Outcome(f"{where}: {fault}", struck)


def _in_time(condition: Callable[[], bool]) -> bool:
    try:
        return bool(until(condition, seconds=PATIENCE_S, what="the fault struck"))
    except AssertionError:
        return False


def _disk(world: World, one: Round, chance: random.Random) -> Outcome:
    if not world.disk.is_there:
        return Outcome("skipped: this user may not mount a small file system", False)
    films = world.hand(one.number, images=2, rows=chance.choice((96, 1024)))
    size = sum(film.stat().st_size for film in films)
    leaving = int(size * chance.choice((0.0, 0.3, 0.8, 1.0, 1.2, 1.6)))
    sending = Sending(world, films, by_dcmtk=chance.random() < 0.25)
    refused = len(world.evidence.refused)
    killed = chance.random() < 0.3
    early = chance.random() < 0.7
    if not early:
        sending.start()
        pause(moments_of(chance, 0.2))
    world.disk.fill(leaving=leaving)
    try:
        if early:
            sending.start()
        if killed:
            world.roles.kill("receive")
        pause(chance.uniform(0.3, 1.5))
    finally:
        world.disk.free()
    sending.finish()
    told = len(world.evidence.refused) - refused
    also = ", receive killed meanwhile" if killed else ""
    return Outcome(
        f"disk full but for {leaving} of {size} bytes{also}; {told} images were refused and sent again", True
    )


def _database(world: World, one: Round, chance: random.Random) -> Outcome:
    trouble = world.trouble_of_database(chance)
    victim = chance.choice(ROLES) if trouble.restarts else ""
    if victim:
        until(lambda: world.is_ready(victim), seconds=120, what=f"{victim} is back")
    sending = _sending(world, one, chance)
    with trouble.during():
        struck = not victim or world.roles.kill(victim)
        sending.start()
        pause(trouble.seconds)
    sending.finish()
    return Outcome(f"{trouble.words}, {victim} started meanwhile" if victim else trouble.words, struck)


def _answers(world: World, one: Round, chance: random.Random) -> Outcome:
    if chance.random() < 0.5:
        statuses = [chance.choice(STATUSES) for _ in range(chance.choice((1, 1, 2)))]
        answers, who, words = world.pacs.answers, "PACS", " ".join(f"{s:04X}" for s in statuses)
        answers.say(statuses)
    else:
        acks = [(chance.choice(ACK_CODES), chance.choice(ERRORS)) for _ in range(chance.choice((1, 1, 2)))]
        answers, who, words = world.ris.answers, "RIS", " ".join(f"{c}{'/' + e if e else ''}" for c, e in acks)
        answers.say(acks)
    before = answers.given
    sending = _sending(world, one, chance)
    sending.start()
    sending.finish()
    until(lambda: answers.given > before, what=f"the {who} was asked")
    return Outcome(f"the {who} answers {words}", True)


def _refusal(world: World, one: Round, chance: random.Random) -> Outcome:
    """What must not come in, beside what must."""
    name, do = chance.choice(_UNWELCOME)
    struck = do(world, one)
    sending = _sending(world, one, chance)
    sending.start()
    sending.finish()
    return Outcome(name, struck)


def _stranger(world: World, one: Round) -> bool:
    title = f"STRANGER{one.number}"
    node = Peer("node", "PREREAD", "127.0.0.1", world.site.port, frozenset())
    return _is_rejected(world, title, lambda: scu.echo(node, own_ae_title=title, timeout_s=5.0))


def _is_rejected(world: World, title: str, call: Callable[[], object]) -> bool:
    """Whether it was; the node may be down at the moment, so it is tried again."""

    def rejected() -> bool:
        try:
            call()
        except AssociationRejected:
            return True
        except NodeError:
            return False
        raise AssertionError(f"{title} was let in")

    until(rejected, what="an association was rejected")
    world.evidence.refused.append(Refused(title, ""))
    return True


def _refused_image(world: World, film: Path) -> bool:
    """Whether a status told the sender that it is not wanted."""
    node = Peer("node", "PREREAD", "127.0.0.1", world.site.port, frozenset())

    def refused() -> bool:
        try:
            (result,) = scu.store(node, [film], own_ae_title="SENDER", timeout_s=5.0)
        except NodeError:
            return False
        assert not result.accepted, "an image that must be refused was taken"
        if result.status is None:
            return False
        world.evidence.refused.append(Refused(film.stem, result.status_text))
        return result.status & 0xFF00 != 0xA700  # "not now" is no refusal of this image

    return bool(until(refused, what="the image was refused"))


def _nobodys(world: World, one: Round) -> bool:
    (film,) = world.keep(
        [small_image(StudyInstanceUID=generate_uid(), PatientID=f"P{one.number}", AccessionNumber="NONE")]
    )
    changed = small_image(SOPInstanceUID=film.stem, StudyInstanceUID=None)
    changed.save_as(film, enforce_file_format=True)
    return _refused_image(world, film)


def _other_pixels(world: World, one: Round) -> bool:
    """An image under the UID of one that is kept."""
    (film,) = world.hand(one.number, suffix="K")
    world.send([film])
    other = film.with_name(film.name)
    changed = small_image(SOPInstanceUID=film.stem, PatientID=f"X{one.number}", AccessionNumber="OTHER")
    changed.PixelData = bytes(len(changed.PixelData))
    changed.save_as(other, enforce_file_format=True)
    return _refused_image(world, other)


_UNWELCOME: tuple[tuple[str, Callable[[World, Round], bool]], ...] = (
    ("an association of a stranger", _stranger),
    ("an image without a Study Instance UID", _nobodys),
    ("other pixels under the UID of an image that is kept", _other_pixels),
)


def _model(world: World, one: Round, chance: random.Random) -> Outcome:
    until(lambda: world.is_ready("read"), what="the model is back")
    sending = Sending(world, world.chest(one.number))
    sending.start()
    sending.finish()
    reading = "SELECT id FROM job WHERE kind IN ('flag', 'read') AND state = 'running'"
    until(lambda: world.ledger.rows(reading), what="the model reads")
    moment = moments_of(chance, 3.0)
    pause(moment)
    busy = bool(world.ledger.rows(reading))
    what = chance.choice(("killed", "stopped", "stopped", "stopped beyond its lease"))
    if what == "killed":
        return Outcome(f"read killed {moment:.1f} s into its work", world.roles.kill("read") and busy)
    seconds = _BEYOND_LEASE_S if "lease" in what else chance.uniform(0.3, _STOPPED_S)
    struck = world.roles.signal("read", signal.SIGSTOP)
    try:
        pause(seconds)
    finally:
        world.roles.signal("read", signal.SIGCONT)
    return Outcome(f"read {what}: SIGSTOP for {seconds:.1f} s, {moment:.1f} s into its work", struck and busy)


def _clock(world: World, one: Round, chance: random.Random) -> Outcome:
    step = chance.choice(STEPS_S)
    offset = int(world.clock_file.read_text("ascii"))
    sending = _sending(world, one, chance)
    sending.start()
    moment = moments_of(chance, 1.0)
    pause(moment)
    world.set_clock(offset + step)
    sending.finish()
    return Outcome(f"clock set by {step:+d} s, {moment:.2f} s after the sender began", True)


_FAULTS: dict[str, Callable[[World, Round, random.Random], Outcome]] = {
    KILL: _kill, NETWORK: _network, DISK: _disk, DATABASE: _database, ANSWERS: _answers, REFUSAL: _refusal, MODEL: _model,
    CLOCK: _clock,
}  # fmt: skip
