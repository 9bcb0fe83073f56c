"""Rows of a ledger with very many studies, as the stages would have left them. Synthetic: names are put together from syllables.

One study every 90 seconds, the newest at the moment that is given. Of those that are a day old and older two thirds have been
reported by a person, a third never will be: a list of what is open grows with the ledger.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from agent.bench.drafts import COLUMNS, ROWS, Draft, drafts
from agent.imaging.facts import InstanceFacts
from structured_report.content import Order, Outcome, Patient, Priority, Provenance, Study

APART = timedelta(seconds=90)
BLOCK = 5_000
DESTINATIONS = ("to-pacs", "to-ris")
_DRAFTS = 60
_A_DAY = int(timedelta(days=1) / APART)
_DX = "1.2.840.10008.5.1.4.1.1.1.1"
_ROOT = "1.2.826.0.1.3680043.8.498"
_FIRST = (
    "Al",
    "Be",
    "Cor",
    "Di",
    "El",
    "Fa",
    "Ge",
    "Hel",
    "I",
    "Jo",
    "Ka",
    "Lu",
    "Mar",
    "No",
    "Pe",
    "Ro",
    "Su",
    "Te",
    "Vi",
    "Wal",
)
_NEXT = ("ba", "dri", "fen", "gor", "hil", "ka", "lin", "mo", "na", "pol", "ri", "san", "ter", "vik", "zel")
_LAST = ("berg", "dal", "er", "feld", "hof", "ini", "mann", "ova", "rup", "son", "stein", "wald")
_GIVEN = (
    "Ada",
    "Bela",
    "Cleo",
    "Dora",
    "Emil",
    "Fritz",
    "Gerd",
    "Hana",
    "Ivo",
    "Jana",
    "Kurt",
    "Lena",
    "Mila",
    "Nils",
    "Olga",
    "Paul",
)
_SCANNERS = ("DX_ROOM_1", "DX_ROOM_2", "DX_BEDSIDE", "CR_EMERGENCY")
_WORDS = {"to-pacs": "0000 as Comprehensive 3D SR", "to-ris": "MSA|AA|"}
_REFUSED = "A700 Out of resources: the archive is full"

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class MadeStudy:
    """What is asked for by search, and opened. `number`: 0 is the oldest."""

    number: int
    study_instance_uid: str
    accession_number: str
    patient_id: str
    patient_name: str
    at: datetime


def made_study(number: int, count: int, newest: datetime) -> MadeStudy:
    """Whose a study is, when it was made; the same for the same arguments."""
    of = random.Random(number)  # noqa: S311  a choice, no secret
    person = of.randrange(max(1, count * 2 // 5))
    who = random.Random(-1 - person)  # noqa: S311  a choice, no secret
    name = f"{who.choice(_FIRST)}{who.choice(_NEXT)}{who.choice(_LAST)}^{who.choice(_GIVEN)}"
    at = newest - APART * (count - 1 - number) - timedelta(seconds=of.random() * 60)
    uid = f"{_ROOT}.{at:%Y%m%d}.{number + 1}"
    return MadeStudy(number, uid, f"A{number + 1:09d}", f"P{person:08d}", name, at)


def blocks(count: int, newest: datetime, *, seed: int) -> Iterator[Rows]:
    """Rows by table, the oldest study first; a table comes after those that it refers to.

    Args:
        newest: when the newest study came; UTC.
    """
    writer = _Writer(count, newest, drafts(_DRAFTS, seed=seed), random.Random(seed))  # noqa: S311  a choice, no secret
    for begin in range(0, count, BLOCK):
        for number in range(begin, min(count, begin + BLOCK)):
            writer.add(number)
        yield writer.taken()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _stored(at: datetime) -> str:
    """As the column type `Moment` writes it; quicker, for it is done ten million times."""
    return at.isoformat(timespec="microseconds")[:26]


_FACTS = InstanceFacts(
    sop_class_uid=_DX, sop_instance_uid="%IMAGE%", study_instance_uid="%UID%", series_instance_uid="%SERIES%", modality="DX",
    rows=ROWS, columns=COLUMNS, bits_allocated=16, bits_stored=12, photometric_interpretation="MONOCHROME2", view_position="%VIEW%",
    presentation_intent_type="FOR PRESENTATION", body_part_examined="CHEST", descriptions=("XR CHEST", "%VIEW%"),
    acquisition_datetime="%DAY%%TIME%", study_date="%DAY%", study_time="%TIME%", patient_id="%PID%", patient_name="%NAME%",
    patient_birth_date="%BORN%", patient_sex="%SEX%", accession_number="%ACC%", study_description="XR CHEST", study_id="1",
    manufacturer="Synthetic", manufacturer_model_name="%MODEL%",
).to_json()  # fmt: skip
_ABOUT = _text(
    asdict(
        Study(
            "%UID%", "1", "%DAY%", "%TIME%", "", Patient("%PID%", "", "%NAME%", "%BORN%", "%SEX%"),
            Order(accession_number="%ACC%", procedure_description="XR CHEST", referring_physician="Ward^Some"),
        )
    )
)  # fmt: skip


def _filled_in(form: str, made: MadeStudy, image: int = 0) -> str:
    """A form with the values of one study; none of them needs escaping in JSON."""
    uid = made.study_instance_uid
    values = {
        "%UID%": uid, "%IMAGE%": image_uid(made, image), "%SERIES%": f"{uid}.{image + 1}", "%VIEW%": ("PA", "LL")[image],
        "%DAY%": f"{made.at:%Y%m%d}", "%TIME%": f"{made.at:%H%M%S}", "%PID%": made.patient_id, "%NAME%": made.patient_name,
        "%BORN%": f"{1930 + int(made.patient_id[1:]) % 80}0101", "%SEX%": "MF"[int(made.patient_id[1:]) % 2],
        "%ACC%": made.accession_number,
    }  # fmt: skip
    for hole, value in values.items():
        form = form.replace(hole, value)
    return form


class _Writer:
    """Values are as a database driver takes them: moments and JSON are text already."""

    def __init__(self, count: int, newest: datetime, said: Sequence[Draft], choice: random.Random) -> None:
        self._count, self._newest, self._said, self._choice = count, newest, said, choice
        self._fixed = [_fixed_parts(one) for one in said]
        self._rows: Rows = {}
        provenance = Provenance(
            "cxr-preread project", "made for the bench", "cxr-preread", "0.1.0", "0" * 64, "nf4", "chexone-1@00000000",
            f"{_ROOT}.1", for_commissioning=True,
        )  # fmt: skip
        self._provenance = _text(asdict(provenance))
        self._last_id = {"event": 0, "document": 0, "turnaround": 0}

    def taken(self) -> Rows:
        """What was added since the last time."""
        rows, self._rows = self._rows, {}
        return rows

    def _put(self, table: str, **values: Any) -> None:
        self._rows.setdefault(table, []).append(values)

    def _id(self, table: str) -> int:
        self._last_id[table] += 1
        return self._last_id[table]

    def add(self, number: int) -> None:
        """One study with all that became of it."""
        made, state = made_study(number, self._count, self._newest), ""
        outcome: Outcome | None = self._outcome()
        age = self._count - 1 - number
        if age < 2:
            outcome, state = None, "receiving" if age == 0 else "assembled"
        elif age > _A_DAY and self._choice.random() < 2 / 3:
            state = "reported"
        at, uid = made.at, made.study_instance_uid
        state = state or str(outcome)
        reason = "no-frontal" if outcome is Outcome.NOT_ANALYSED else ""
        self._put(
            "study", study_instance_uid=uid, state=state, reason=reason, explanation="no frontal view" if reason else "",
            first_received_at=_stored(at - timedelta(seconds=4)), last_received_at=_stored(at), revision=int(state != "receiving"),
        )  # fmt: skip
        self._images(made)
        self._put("study_key", study_instance_uid=uid, kind="patient", value=made.patient_id)
        self._put("study_key", study_instance_uid=uid, kind="accession", value=made.accession_number)
        self._event(uid, at, "receive", "arrived", "2 images")
        if state != "receiving":
            self._revision(made)
        if outcome is not None:
            self._result(made, outcome)
        if state == "reported":
            since = at + timedelta(hours=3)
            self._put("study_stop", study_instance_uid=uid, kind="reported", words="final report", since=_stored(since))
            self._event(uid, since, "orders", "reported", "")

    def _outcome(self) -> Outcome:
        kind = self._choice.random()
        return Outcome.NOT_ANALYSED if kind < 0.02 else Outcome.ABSTAINED if kind < 0.04 else Outcome.READ

    def _event(self, uid: str, at: datetime, stage: str, code: str, words: str) -> None:
        self._put(
            "event", id=self._id("event"), at=_stored(at), study_instance_uid=uid, stage=stage, code=code, words=words
        )

    def _images(self, made: MadeStudy) -> None:
        scanner = _SCANNERS[self._choice.randrange(len(_SCANNERS))]
        facts = _FACTS.replace("%MODEL%", scanner)
        for image in (0, 1):
            uid = image_uid(made, image)
            self._put(
                "instance", id=made.number * 2 + image + 1, sop_instance_uid=uid, version=1, facts=_filled_in(facts, made, image),
                study_instance_uid=made.study_instance_uid, series_instance_uid=f"{made.study_instance_uid}.{image + 1}", sop_class_uid=_DX,
                transfer_syntax_uid="1.2.840.10008.1.2.1", digest=f"{made.number:064x}", size=1_720_000, data_set_offset=0,
                path=image_path(made, image), calling_ae_title=scanner, address="10.0.0.7", received_at=_stored(made.at),
            )  # fmt: skip

    def _revision(self, made: MadeStudy) -> None:
        at = made.at + timedelta(seconds=5)
        self._put(
            "study_revision", id=made.number + 1, study_instance_uid=made.study_instance_uid, number=1,
            set_key=f"{made.number:064x}", study=_filled_in(_ABOUT, made), created_at=_stored(at),
        )  # fmt: skip
        self._put(
            "study_match", study_instance_uid=made.study_instance_uid, order_id=None, how="", doubt="", candidates="[]",
            overlays="[]", weighed_at=_stored(at),
        )  # fmt: skip
        for image, role in enumerate(("frontal", "lateral")):
            self._put(
                "image_use", revision_id=made.number + 1, instance_id=made.number * 2 + image + 1, used=True, role=role,
                reason=f"used-{role}", explanation=f"{role} by View Position",
            )  # fmt: skip
        self._event(made.study_instance_uid, at, "assemble", "assembled", "revision 1, 2 images")

    def _result(self, made: MadeStudy, outcome: Outcome) -> None:
        said = self._choice.randrange(len(self._said))
        draft, fixed = self._said[said], self._fixed[said]
        is_read, revision, uid = outcome is Outcome.READ, made.number + 1, made.study_instance_uid
        at = made.at + timedelta(seconds=12)
        if outcome is not Outcome.NOT_ANALYSED:
            self._put(
                "flag", revision_id=revision, provenance=self._provenance, seconds=1.9, flagged_at=_stored(at), trouble="",
                priority=draft.flagged.priority.value, reasons=fixed["flagged"], probabilities=fixed["probabilities"],
            )  # fmt: skip
            self._put(
                "urgency", study_instance_uid=uid, priority=draft.ranked.priority.value, reasons=fixed["reasons"], raised_at=_stored(at)
            )  # fmt: skip
            self._event(uid, at, "flag", "flagged", draft.flagged.priority.value)
            self._turnaround(made, "flag", "", 12.0, at)
        at += timedelta(seconds=20)
        self._put(
            "reading", revision_id=revision, outcome=outcome.value, provenance=self._provenance, notes="[]", seconds=19.2,
            reason="" if is_read else "not-chest" if outcome is Outcome.NOT_ANALYSED else "no-final-answer",
            explanation="" if is_read else "no frontal view" if outcome is Outcome.NOT_ANALYSED else "the reply has no final answer",
            reply=draft.reply if is_read else "", reasoning=draft.reasoning if is_read else "", draft=draft.draft if is_read else "",
            findings=fixed["findings"] if is_read else "[]", impression=draft.draft if is_read else "", comparison="", verdicts="[]",
            regions=fixed["regions"].replace('"sop_instance_uid": ""', f'"sop_instance_uid": "{image_uid(made, 0)}"') if is_read else "[]",
            priority=draft.ranked.priority.value if is_read else Priority.ROUTINE.value, reasons=fixed["reasons"] if is_read else "[]",
            completed_at=_stored(at),
        )  # fmt: skip
        self._event(uid, at, "read", outcome.value, "revision 1, 118 tokens")
        self._documents(made, at + timedelta(seconds=1))

    def _documents(self, made: MadeStudy, at: datetime) -> None:
        uid, parked = made.study_instance_uid, self._choice.random() < 0.003
        self._event(uid, at, "report", "reported", "revision 1, 2 documents")
        for kind, destination in zip(("sr", "oru"), DESTINATIONS, strict=True):
            number = self._id("document")
            identifier = f"{uid}.9" if kind == "sr" else f"PR{number:018d}"
            refused = parked and destination == "to-pacs"
            sent = at + timedelta(seconds=2)
            words = _REFUSED if refused else _WORDS[destination] + (identifier if kind == "oru" else "")
            self._put(
                "document", id=number, revision_id=made.number + 1, kind=kind, identifier=identifier, digest=f"{number:064x}",
                path=f"documents/{identifier}.{'dcm' if kind == 'sr' else 'hl7'}", created_at=_stored(at),
            )  # fmt: skip
            self._put(
                "delivery", id=number, document_id=number, destination=destination, state="parked" if refused else "delivered",
                attempts=9 if refused else 1, words=words, created_at=_stored(at), next_try_at=None,
                finished_at=None if refused else _stored(sent),
            )  # fmt: skip
            self._event(uid, sent, "deliver", "parked" if refused else "delivered", f"{kind} to {destination}: {words}")
            if not refused:
                self._turnaround(made, kind, destination, 34.0, sent)

    def _turnaround(self, made: MadeStudy, what: str, destination: str, seconds: float, at: datetime) -> None:
        self._put(
            "turnaround", id=self._id("turnaround"), what=what, revision_id=made.number + 1, destination=destination,
            seconds=seconds, at=_stored(at),
        )  # fmt: skip


def image_uid(made: MadeStudy, image: int) -> str:
    """SOP Instance UID of the frontal (0) or the lateral (1)."""
    return f"{made.study_instance_uid}.{image + 1}.1"


def image_path(made: MadeStudy, image: int) -> str:
    """Relative to the storage root."""
    return f"images/{made.at:%Y%m%d}/{image_uid(made, image)}.dcm"


def _fixed_parts(one: Draft) -> Mapping[str, str]:
    return {
        "findings": _text(one.findings), "regions": _text(one.regions), "probabilities": _text(one.probabilities),
        "flagged": _text(one.flagged.reasons), "reasons": _text(one.ranked.reasons),
    }  # fmt: skip
