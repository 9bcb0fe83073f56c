"""Which labels of the corpus stand for which findings of ours, and what CheXpert's fourteen are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

# For the measurement only: findings of CheXpert's fourteen that the vocabulary does not have.
MEASURED_ONLY: Mapping[str, tuple[str, ...]] = {
    "mediastinum": (
        "enlarged cardiomediastinum", "enlarged ... cardiomediastinal silhouette", "widened mediastinum",
        "mediastinal widening", "mediastinum ... widened", "widening ... mediastinum", "prominent mediastinum",
        "cardiomediastinal silhouette ... enlarged", "mediastinal enlargement", "mediastinal contour ... widened",
    ),
    "lesion": ("lung lesion", "lesion", "cavitation", "cavitary lesion"),
    "thickening": ("pleural thickening", "pleural plaque", "pleural scarring", "pleural calcification", "pleural mass"),
    "other_device": (
        "tracheostomy tube", "tracheostomy", "stent", "valve replacement", "prosthetic valve", "sternotomy wire",
        "sternal wire", "hardware", "balloon pump", "stimulator", "loop recorder", "catheter", "drain", "clip",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mapped:
    """One row of a table: the concepts of ours and the labels of the corpus that answer the same question."""

    concepts: tuple[str, ...]
    labels: Mapping[str, Callable[[str], bool]]


def _every(_: str) -> bool:
    return True


def _airspace(alias: str) -> bool:
    return any(word in alias for word in ("airspace", "air space", "air-space", "alveolar", "consolidat"))


def _opacity(alias: str) -> bool:
    return not _airspace(alias) and "pneumoni" not in alias


def _mapped(concepts: str, labels: str) -> Mapped:
    return Mapped(tuple(concepts.split()), dict.fromkeys(labels.split(), _every))


_DEVICES = "central_venous_catheter endotracheal_tube enteric_tube intercostal_drain"
_PACEMAKER = "pacemaker_electronic_cardiac_device_or_wires"

FINDINGS: Mapping[str, Mapped] = {
    "pneumothorax": _mapped("pneumothorax", "pneumothorax"),
    "pleural_effusion": _mapped("pleural_effusion", "pleural_effusion"),
    "consolidation": Mapped(("consolidation",), {"consolidation": _every, "air_space_opacity": _airspace}),
    "cardiomegaly": _mapped("cardiomegaly", "cardiomegaly"),
    "pulmonary_edema": _mapped("pulmonary_edema", "pulmonary_edema pulmonary_congestion_pulmonary_venous_congestion"),
    "atelectasis": _mapped("atelectasis", "atelectasis lobar_segmental_collapse whole_lung_or_majority_collapse"),
    "lung_opacity": Mapped(
        ("lung_opacity",),
        {"lung_opacity": _every, "infiltration": _every, "ground_glass_opacity": _every, "air_space_opacity": _opacity},
    ),
    "nodule or mass": _mapped("nodule mass", "lung_nodule_or_mass"),
    "pneumonia": _mapped("pneumonia", "pneumonia"),
    "fracture": _mapped("fracture", "fracture_generic acute_rib_fracture non_acute_rib_fracture"),
    "pneumomediastinum": _mapped("pneumomediastinum", "pneumomediastinum"),
    "endotracheal_tube": _mapped("endotracheal_tube", "endotracheal_tube"),
    "feeding_tube": _mapped("feeding_tube", "enteric_tube"),
    "central_line": _mapped("central_line", "central_venous_catheter"),
    "chest_tube": _mapped("chest_tube", "intercostal_drain"),
    "cardiac_pacemaker": _mapped("cardiac_pacemaker", _PACEMAKER),
}

CHEXPERT: Mapping[str, Mapped] = {
    "Enlarged Cardiomediastinum": _mapped("mediastinum", "enlarged_cardiomediastinum"),
    "Cardiomegaly": FINDINGS["cardiomegaly"],
    "Lung Opacity": FINDINGS["lung_opacity"],
    "Lung Lesion": _mapped("nodule mass lesion", "lung_lesion lung_nodule_or_mass"),
    "Edema": FINDINGS["pulmonary_edema"],
    "Consolidation": FINDINGS["consolidation"],
    "Pneumonia": FINDINGS["pneumonia"],
    "Atelectasis": FINDINGS["atelectasis"],
    "Pneumothorax": FINDINGS["pneumothorax"],
    "Pleural Effusion": FINDINGS["pleural_effusion"],
    "Pleural Other": _mapped("thickening", "pleural_other pleural_thickening"),
    "Fracture": FINDINGS["fracture"],
    "Support Devices": _mapped(
        "endotracheal_tube feeding_tube central_line chest_tube cardiac_pacemaker other_device",
        f"{_DEVICES} {_PACEMAKER} tracheostomy_tube support_devices_generic implantable_electronic_device",
    ),
}  # fmt: skip
# The fourteenth: none of the others but devices.
NO_FINDING = "No Finding"
