"""What reads, what it may read, what is urgent, and how it is tested."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from agent.settings.types import Frozen, Line, Number, OptionalPath, Whole
from agent.settings.values import check_home, check_http_url, check_path
from structured_report.vocabulary import vocabulary


def check_base_url(value: str) -> str:
    """The URL, if a model server can be asked there. Raises `ValueError` in words for the person who typed it."""
    return check_http_url(
        value, example="http://gpu-1:8000/v1", instead="a key belongs in the file that api_key_file names"
    )


class ModelSettings(Frozen):
    """The model that reads."""

    backend: Literal["local", "served", "recorded"] = "local"
    weights: Annotated[Line, AfterValidator(check_home), Field(min_length=1)] = "StanfordAIMI/CheXOne"
    revision: Annotated[str, Field(max_length=100, pattern=r"^([A-Za-z0-9][A-Za-z0-9._/-]*)?$")] = ""
    quantization: Literal["nf4", "int8", "none"] = "nf4"
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    base_urls: tuple[Annotated[str, AfterValidator(check_base_url)], ...] = ()
    served_model: Annotated[Line, Field(max_length=256)] = ""
    api_key_file: OptionalPath = None
    ca_file: OptionalPath = None
    served_for_commissioning: bool = False
    recordings: OptionalPath = None
    deadline_s: Annotated[Number, Field(gt=0, le=86400)] = 600.0
    load_deadline_s: Annotated[Number, Field(gt=0, le=86400)] = 1800.0
    attempts: Annotated[Whole, Field(ge=1, le=20)] = 3
    max_new_tokens: Annotated[Whole, Field(ge=16, le=8192)] = 1024
    protocol: Annotated[Line, AfterValidator(check_home), Field(min_length=1)] = "chexone"
    commissioning_on_patients: bool = False

    @model_validator(mode="after")
    def _belongs_together(self) -> ModelSettings:
        if self.backend == "served" and not self.base_urls:
            raise ValueError('backend "served" needs base_urls, for example base_urls = ["http://gpu-1:8000/v1"]')
        if self.backend != "served":
            keys = ("base_urls", "served_model", "api_key_file", "ca_file", "served_for_commissioning")
            if odd := [k for k in keys if getattr(self, k)]:
                raise ValueError(f'{", ".join(odd)}: only for backend "served", and the backend is "{self.backend}"')
        bare = [u.rstrip("/").removesuffix("/v1").rstrip("/").lower() for u in self.base_urls]
        if len(set(bare)) < len(bare):
            raise ValueError("base_urls: the same server is named twice")
        if self.ca_file is not None and not any(u.lower().startswith("https:") for u in self.base_urls):
            raise ValueError("ca_file: none of the base_urls is https, so no certificate is ever looked at")
        if self.backend == "recorded" and self.recordings is None:
            raise ValueError('backend "recorded" needs recordings, the folder that holds the replies')
        return self


class Triage(Frozen):
    """What is asked first, and what makes a study urgent."""

    findings: Annotated[tuple[str, ...], Field(min_length=1, max_length=32)] = (
        "pneumothorax", "pleural_effusion", "consolidation", "pulmonary_edema", "cardiomegaly", "atelectasis", "pneumonia",
        "lung_opacity", "nodule", "mass", "fracture", "pneumomediastinum", "endotracheal_tube", "central_line",
    )  # fmt: skip
    rules: Annotated[Path | None, BeforeValidator(check_path)] = None
    calibration: Annotated[Path | None, BeforeValidator(check_path)] = None
    longest_wait_min: Annotated[Number, Field(ge=0, le=10_000)] = 60.0

    @field_validator("findings")
    @classmethod
    def _in_the_vocabulary(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in vocabulary():
                raise ValueError(f'"{name}" is not a finding of the vocabulary; known: {", ".join(vocabulary())}')
        if len(set(value)) != len(value):
            raise ValueError("a finding is named twice")
        return value


class Gate(Frozen):
    """Which images the model may read at all."""

    youngest_years: Annotated[Whole, Field(ge=0, le=130)] = 18
    oldest_years: Annotated[Whole, Field(ge=0, le=130)] = 0
    unknown_age: Literal["read", "decline"] = "read"
    pixels: bool = True
    wrong_view: Literal["remark", "decline"] = "remark"

    @model_validator(mode="after")
    def _somebody_is_left(self) -> Gate:
        if 0 < self.oldest_years < self.youngest_years:
            raise ValueError("oldest_years is less than youngest_years: nobody would be read")
        return self


QcFilm = Literal[
    "normal", "normal-two-views", "right-pneumothorax", "left-pneumothorax", "left-effusion", "right-consolidation",
    "cardiomegaly", "stored-monochrome1", "stored-voi-lut", "stored-10-bit", "stored-16-bit", "stored-mirrored",
    "stored-upside-down", "stored-quarter-turn",
]  # fmt: skip


_USUAL: QcFilm = "right-pneumothorax"  # stored in the usual way; the films "stored-..." show the same


class Qc(Frozen):
    """The constancy test: drawn films that go through the whole line."""

    daily_at: Annotated[str, Field(pattern=r"^(|([01]\d|2[0-3]):[0-5]\d)$")] = ""
    films: Annotated[tuple[QcFilm, ...], Field(min_length=1)] = get_args(QcFilm)
    least_overlap: Annotated[float, Field(gt=0, le=1)] = 0.4
    longest_flag_s: Annotated[float, Field(gt=0, le=86400)] = 30.0
    send: bool = False

    @field_validator("films")
    @classmethod
    def _each_once(cls, value: tuple[QcFilm, ...]) -> tuple[QcFilm, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a film is named twice")
        variants = [name for name in value if name.startswith("stored-")]
        if variants and _USUAL not in value:
            raise ValueError(
                f'"{_USUAL}" is what {", ".join(variants)} is compared with; put it in, or take those out as well'
            )
        return value
