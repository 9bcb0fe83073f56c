"""Films for the newest studies of a made ledger, of the size that detectors have: what a viewer shows must be there."""

from __future__ import annotations

from pydicom.filereader import read_file_meta_info
from sqlalchemy import update

from agent.bench.drafts import COLUMNS, ROWS
from agent.bench.many_studies import MadeStudy, image_path, image_uid
from agent.commissioning.films import FilmStyle, phantom_study, scene_of
from agent.settings import Settings
from agent.store.engine import Ledger
from agent.store.files import digest_from
from agent.store.schema import instance

_BEFORE_META = 128 + 4  # preamble and prefix (PS3.10 7.1)
_GROUP_LENGTH = 12  # the element that says how much of the file meta information follows


def put_films(settings: Settings, ledger: Ledger, made: list[MadeStudy]) -> None:
    """One phantom under the names of all of these studies; their rows say where its data set begins and what it digests to."""
    style = FilmStyle(rows=ROWS, columns=COLUMNS)
    films = phantom_study(scene_of("left-effusion-cardiomegaly", seed=1), patient_id="", accession="", style=style)
    for one in made:
        for image, film in enumerate(films):
            film.StudyInstanceUID, film.SOPInstanceUID = one.study_instance_uid, image_uid(one, image)
            film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
            film.PatientID, film.PatientName, film.AccessionNumber = (
                one.patient_id,
                one.patient_name,
                one.accession_number,
            )
            path = settings.storage.root / image_path(one, image)
            path.parent.mkdir(parents=True, exist_ok=True)
            film.save_as(path, enforce_file_format=True)
            offset = _BEFORE_META + _GROUP_LENGTH + int(read_file_meta_info(path).FileMetaInformationGroupLength)
            values = {
                "digest": digest_from(path, offset),
                "size": path.stat().st_size - offset,
                "data_set_offset": offset,
            }
            with ledger.begin() as tx:
                tx.execute(update(instance).where(instance.c.sop_instance_uid == film.SOPInstanceUID).values(**values))
