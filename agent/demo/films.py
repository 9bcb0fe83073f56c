"""The films of the demonstration: a chest and a tibia from the PyPI package `pydicom-data`, both of which say CHEST, and
studies this program draws itself."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from agent.commissioning.films import make_study
from agent.errors import Permanent

# Patients seldom have one finding alone. That the chest tube is found shows little: the commissioning model adds one to most
# pneumothoraces, as its card says.
PHANTOMS = ("right-pneumothorax-chest-tube", "clear", "left-effusion-cardiomegaly", "cardiomegaly-edema")


def pydicom_data_file(name: str) -> Path:
    """A file of the package `pydicom-data`, such as ``RG1_UNCR.dcm`` (a chest) or ``RG3_UNCR.dcm`` (a tibia).

    Raises:
        Permanent: the package is not installed.
    """
    try:
        package = resources.files("data_store")
    except ModuleNotFoundError as error:
        raise Permanent(
            "the package pydicom-data is not installed: pip install 'cxr-preread[demo]'", code="films-missing"
        ) from error
    path = Path(str(package)) / "data" / name
    if not path.is_file():
        raise Permanent(f"pydicom-data has no {name}", code="films-missing")
    return path


def demo_films(folder: Path) -> list[list[Path]]:
    """The studies of the demonstration, as lists of DICOM files: one for each study.

    Args:
        folder: where the drawn studies are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    studies = [[pydicom_data_file("RG1_UNCR.dcm")], [pydicom_data_file("RG3_UNCR.dcm")]]
    for number, kind in enumerate(PHANTOMS, start=1):
        files = []
        for image in make_study(kind, seed=number, patient_id=f"DEMO{number:04d}", accession=f"DEMO-ACC-{number:04d}"):
            path = folder / f"{kind}-{image.ViewPosition}.dcm"
            image.save_as(path, enforce_file_format=True)
            files.append(path)
        studies.append(files)
    return studies
