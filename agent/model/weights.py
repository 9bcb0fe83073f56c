"""Where weights lie, what they are, and under which licence. Nothing here loads them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from agent.errors import ModelUnavailable, Permanent

COMMISSIONING = "commissioning"
"""What `model.weights` says for the model that comes with the program."""

# Licences of checkpoints that sites are told about. What is not listed is looked up in the folder's own model card.
LICENCES = {"StanfordAIMI/CheXOne": "CC BY-NC 4.0: research only, no commercial use"}
_PATTERNS = ("*.safetensors", "*.json", "merges.txt", "README.md", "LICENSE*")
_STEP = 1 << 22


def shipped_weights() -> Path:
    """The folder of the commissioning model: for phantoms and named test sets, not for patients."""
    return Path(str(resources.files("agent.commissioning") / "weights"))


def looks_like_path(weights: str) -> bool:
    """Whether the setting means a folder of this machine rather than a name on the hub."""
    return weights.startswith((".", "/", "~")) or weights.count("/") != 1 or Path(weights).is_dir()


def find_weights(weights: str, revision: str = "") -> Path:
    """The folder that holds a checkpoint: the one that is named, or the hub's, from its cache or downloaded.

    Args:
        revision: commit, tag or branch on the hub; empty: its main branch, which its owners may change.

    Raises:
        Permanent: there is no such folder, or no such name or revision on the hub.
        ModelUnavailable: the hub cannot be reached and the checkpoint is not in its cache.
    """
    if looks_like_path(weights):
        folder = Path(weights).expanduser()
        if not folder.is_dir():
            raise Permanent(f"model.weights {weights}: there is no such folder", code="weights-missing")
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(weights, revision=revision or None, allow_patterns=list(_PATTERNS)))
    except RevisionNotFoundError as error:
        raise Permanent(
            f"model.revision {revision}: the hub has no such revision of {weights}", code="weights-missing"
        ) from error
    except (RepositoryNotFoundError, GatedRepoError, HFValidationError) as error:
        if isinstance(error, LocalEntryNotFoundError):
            raise _unreachable(weights) from error
        raise Permanent(
            f"model.weights {weights}: the hub has no such model, or it needs a sign-in", code="weights-missing"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise _unreachable(weights) from error


def _unreachable(weights: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"model.weights {weights}: the hub cannot be reached and the model is not in its cache; copy the model to a folder and name that",
        code="hub-unreachable",
    )


def weights_digest(folder: Path) -> str:
    """sha256 hex over the names, sizes and contents of every file that decides what the model answers."""
    digest = hashlib.sha256()
    for file in sorted(p for pattern in ("*.safetensors", "*.json", "merges.txt") for p in folder.glob(pattern)):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as source:
            while piece := source.read(_STEP):
                digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Card:
    """What a checkpoint says of itself in ``preread.json`` beside its weights; most have no such file.

    Attributes:
        name: what it is called in reports; empty: as its folder or on the hub.
        for_commissioning: it is for phantoms and named test sets, and must not read patients.
        calibration: the JSON form of a calibration of its short answers, or None.
    """

    name: str = ""
    for_commissioning: bool = False
    calibration: dict[str, Any] | None = None


def card_of(folder: Path) -> Card:
    """The card of the checkpoint in that folder.

    Raises:
        Permanent: there is one and it cannot be used: what it may forbid must not be missed.
    """
    file = folder / "preread.json"
    if not file.is_file():
        return Card()
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        return Card(str(value.get("name", "")), bool(value["for_commissioning"]), value.get("calibration"))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise Permanent(f"{file} cannot be used ({type(error).__name__}: {error})", code="not-a-model") from error


def licence_of(weights: str, folder: Path | None = None) -> str:
    """The licence of the weights where it is known: by name, or from the front matter of the model card; else empty."""
    if weights in LICENCES:
        return LICENCES[weights]
    card = None if folder is None else folder / "README.md"
    if card is None or not card.is_file():
        return ""
    for line in card.read_text(encoding="utf-8", errors="replace").splitlines()[:60]:
        if line.lower().startswith("license:"):
            return line.partition(":")[2].strip()
    return ""
