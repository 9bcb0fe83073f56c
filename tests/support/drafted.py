"""Studies as the line leaves them, without a line: films in the store, and a draft that went through the guards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from pydicom import Dataset
from pydicom.filewriter import dcmwrite
from sqlalchemy import insert, update

from agent.commissioning.films import make_study
from agent.imaging.facts import facts_of
from agent.imaging.headers import load_header, locate_data_set
from agent.model.parsing import SaidBox
from agent.reading.flag import Flag
from agent.reading.guards import Draft, Evidence, guard
from agent.reading.pictures import Prepared
from agent.reading.read import Read, concluded
from agent.reading.rows import flag_row, reading_row
from agent.reading.triage import load_rules, rank_probabilities
from agent.store import flags, heard, identity, orders, priors, results, schema, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore, digest_from
from agent.store.flags import StoredReply
from agent.store.heard import HeardMessage
from agent.store.orders import StoredReport
from agent.store.priors import PriorImage
from agent.store.studies import Use
from structured_report.content import Order, Patient, Priority, Probability, Provenance, Study
from structured_report.plain import provenance_to_json, study_to_json

NOW = datetime(2026, 1, 3, 10, 14, tzinfo=UTC)
PROVENANCE = Provenance(
    "cxr-preread project", "commissioning", "cxr-preread", "0.1", "ab" * 32, "none", "protocol@1234", "2.25.7"
)
DRAFT = (
    "There is a moderate left pleural effusion with adjacent atelectasis. The heart is mildly enlarged. "
    "The right lung is clear. There is no pneumothorax. A right chest tube is in place."
)
TRACE = (
    "I look at the heart first: the cardiac silhouette is enlarged. The left costophrenic angle is blunted, which suggests a left "
    "pleural effusion. The film is slightly rotated. No pneumothorax is seen on either side."
)
IMPRESSION = "Left pleural effusion. Cardiomegaly."
BOXES = {
    "pleural_effusion": (SaidBox("", 55.0, 60.0, 85.0, 90.0),),
    "cardiomegaly": (SaidBox("", 40.0, 45.0, 75.0, 75.0),),
}
PROBABILITIES = (
    Probability("pleural_effusion", 0.91, "site-2026"),
    Probability("cardiomegaly", 0.66),
    Probability("pneumothorax", 0.02, "site-2026"),
    Probability("fracture", 0.31),
)


@dataclass(frozen=True, slots=True)
class Drafted:
    """What is in the ledger. `images`: of the study, frontal first."""

    uid: str
    revision_id: int
    number: int
    images: tuple[Dataset, ...]
    prior: Dataset | None = None


@dataclass(slots=True)
class Desk:
    """Puts studies where the pages find them."""

    ledger: Ledger
    files: FileStore
    kept: dict[str, int] = field(default_factory=dict)

    def phantom(self, kind: str = "left-effusion-cardiomegaly", *, seed: int = 3, **more: Any) -> Drafted:
        """A drawn study with a lateral, read."""
        images = make_study(kind, seed=seed, patient_id=f"PAT{seed}", accession=f"ACC{seed}")
        return self.study(images, **more)

    def study(
        self,
        images: Sequence[Dataset],
        *,
        draft: str = DRAFT,
        trace: str = TRACE,
        impression: str = IMPRESSION,
        comparison: str = "",
        boxes: dict[str, tuple[SaidBox, ...]] | None = None,
        probabilities: Sequence[Probability] = PROBABILITIES,
        prior: Dataset | None = None,
        read: bool = True,
        read_as: Read | None = None,
        provenance: Provenance = PROVENANCE,
        state: str = "read",
    ) -> Drafted:
        """A revision of the study that the images are of, with a flag and, unless told otherwise, a reading."""
        uid = str(images[0].StudyInstanceUID)
        ids = [self.keep(image) for image in images]
        uses = [_use(ident, image) for ident, image in zip(ids, images, strict=True)]
        about = study_to_json(_study_of(images[0]))
        with self.ledger.begin() as tx:
            before = studies.newest_revision(tx, uid)
            number = 1 if before is None else before.number + 1
            revision = studies.add_revision(
                tx, study_instance_uid=uid, number=number, set_key=f"k{number}", about=about, uses=uses, now=NOW
            )
            flag = Flag(rank_probabilities(load_rules(None), probabilities), tuple(probabilities))
            flags.add_flag(
                tx, flag_row(revision, flag, provenance=provenance_to_json(provenance), started=NOW, now=NOW)
            )
            flags.raise_urgency(tx, uid, Priority(flag.ranked.priority), flag.ranked.reasons, now=NOW)
            if prior is not None:
                priors.begin(tx, revision, NOW)
                priors.finish(tx, revision, priors.FOUND, self._prior(prior), (), now=NOW)
                priors.settle(tx, revision, used=bool(comparison), now=NOW)
            if read:
                evidence = Evidence(
                    has_prior=bool(comparison),
                    probabilities={p.concept: p for p in probabilities},
                    boxes=BOXES if boxes is None else boxes,
                )
                guarded = guard(Draft(trace, draft, impression, comparison), evidence)
                made = read_as or concluded(guarded, _prepared(self.files, images[0], self.kept), load_rules(None), ())
                made = replace(made, ranked=made.ranked.raised_to(flag.ranked))
                names = {self.kept[str(i.SOPInstanceUID)]: str(i.SOPInstanceUID) for i in images}
                row = reading_row(
                    revision, made, provenance=provenance_to_json(provenance), uid_of=names, seconds=12.5, completed_at=NOW
                )  # fmt: skip
                results.add_reading(tx, row)
                flags.add_replies(
                    tx, revision, [StoredReply("findings", "", f"{trace}\n\\boxed{{{draft}}}", 80, True, 9.0)]
                )
            tx.execute(
                update(schema.study)
                .where(schema.study.c.study_instance_uid == uid)
                .values(state=state if read else "assembled")
            )
        return Drafted(uid, revision, number, tuple(images), prior)

    def finished(self, drafted: Drafted, *lines: str, patient_id: str = "") -> None:
        """A report that a person has finished, as it was heard from the RIS."""
        image = drafted.images[0]
        whose = patient_id or str(image.PatientID)
        content = "\r".join(
            (
                "MSH|^~\\&|RIS|SITE|PREREAD|SITE|20260103120000||ORU^R01|M1|P|2.5.1|||||| UNICODE UTF-8".replace(
                    "| U", "|U"
                ),
                f"PID|||{whose}||{image.PatientName!s}||{image.PatientBirthDate}|{image.PatientSex}",
                f"ORC|RE|P1|{image.AccessionNumber}",
                f"OBR|1|P1|{image.AccessionNumber}|XR^Chest|||||||||||||||{image.AccessionNumber}|||||||F",
                *(f"OBX|{n}|TX|1^REPORT||{line}||||||F" for n, line in enumerate(lines, start=1)),
            )
        ).encode()
        patient = {"patient_id": whose, "issuer": "", "name": str(image.PatientName), "birth_date": "", "sex": ""}
        with self.ledger.begin() as tx:
            message = heard.keep(
                tx,
                HeardMessage(
                    "RIS|SITE", "127.0.0.1", "M1", "ORU^R01", content.hex()[:64], content, [], NOW, heard.DONE
                ),
            )
            assert message is not None
            accession = str(image.AccessionNumber)
            orders.add_report(tx, StoredReport(message, accession, "P1", accession, "", patient, "F", NOW))
            identity.was_about(tx, [message], [drafted.uid])

    def keep(self, image: Dataset) -> int:
        """Store an image as the receiver does; returns its id. The same image again is the same row."""
        uid, sop = str(image.StudyInstanceUID), str(image.SOPInstanceUID)
        if sop in self.kept:
            return self.kept[sop]
        path, offset, digest = self._file(image)
        relative = self.files.keep_image(path, day="20260103", sop_instance_uid=sop, digest=digest)
        place = locate_data_set(self.files.path(relative))
        facts = facts_of(load_header(self.files.path(relative)))
        with self.ledger.begin() as tx:
            known = tx.execute(schema.study.select().where(schema.study.c.study_instance_uid == uid)).first()
            if known is None:
                tx.execute(
                    insert(schema.study).values(
                        study_instance_uid=uid,
                        state="receiving",
                        first_received_at=NOW,
                        last_received_at=NOW,
                        revision=0,
                    )
                )
            row = tx.execute(
                insert(schema.instance)
                .values(
                    sop_instance_uid=sop, version=1, study_instance_uid=uid, series_instance_uid=str(image.SeriesInstanceUID),
                    sop_class_uid=str(image.SOPClassUID), transfer_syntax_uid=place.transfer_syntax_uid, digest=digest,
                    size=1, data_set_offset=offset, path=relative, calling_ae_title="SENDER", address="127.0.0.1",
                    received_at=NOW, facts=facts.to_json(),
                )
                .returning(schema.instance.c.id)
            ).one()  # fmt: skip
        self.kept[sop] = int(row.id)
        return self.kept[sop]

    def _file(self, image: Dataset) -> tuple[Any, int, str]:
        path = self.files.incoming / f"{image.SOPInstanceUID}.dcm"
        buffer = BytesIO()
        dcmwrite(buffer, image, enforce_file_format=True)
        path.write_bytes(buffer.getvalue())
        offset = locate_data_set(path).offset
        return path, offset, digest_from(path, offset)

    def _prior(self, image: Dataset) -> PriorImage:
        received, offset, digest = self._file(image)
        path = self.files.keep_prior(received, sop_instance_uid=str(image.SOPInstanceUID), digest=digest)
        place = locate_data_set(self.files.path(path))
        return PriorImage(
            str(image.SOPInstanceUID), str(image.StudyInstanceUID), str(image.SeriesInstanceUID), str(image.SOPClassUID),
            place.transfer_syntax_uid, digest, offset, path, facts_of(load_header(self.files.path(path))).to_json(), "archive",
        )  # fmt: skip


def _prepared(files: FileStore, frontal: Dataset, kept: dict[str, int]) -> Prepared:
    from agent.imaging.render import render

    rendered = render(frontal, frontal.pixel_array)
    return Prepared((rendered,), (kept[str(frontal.SOPInstanceUID)],), (), (), None)


def _use(ident: int, image: Dataset) -> Use:
    view = str(image.get("ViewPosition", ""))
    role = {"PA": "frontal", "AP": "frontal", "LL": "lateral"}.get(view, "")
    if not role:
        return Use(ident, False, "", "view-unknown", "no attribute says whether the image is frontal or lateral")
    return Use(ident, True, role, f"used-{role}", f"{role} by View Position")


def _study_of(image: Dataset) -> Study:
    patient = Patient(
        str(image.PatientID), "", str(image.PatientName), str(image.PatientBirthDate), str(image.PatientSex)
    )
    order = Order(accession_number=str(image.AccessionNumber), indication="Shortness of breath.")
    return Study(str(image.StudyInstanceUID), "1", str(image.StudyDate), str(image.StudyTime), "", patient, order)


__all__ = ["BOXES", "DRAFT", "IMPRESSION", "NOW", "PROBABILITIES", "PROVENANCE", "TRACE", "Desk", "Drafted"]
