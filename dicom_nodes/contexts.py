"""SOP classes and transfer syntaxes of this node, in one table. The conformance statement is generated from it.

PS3.4 B.5 (storage SOP classes), PS3.5 Section 10 and Annex A (transfer syntaxes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pynetdicom.presentation import PresentationContext, build_context

VERIFICATION = "1.2.840.10008.1.1"
COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
GRAYSCALE_PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"

# PS3.4 C.4 and K.6.1.2: what this node asks of others, as SCU
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One transfer syntax. `compressed`: the pixel data are encapsulated (PS3.5 A.4)."""

    uid: str
    name: str
    compressed: bool


TRANSFER_SYNTAXES = (
    TransferSyntax(EXPLICIT_LE, "Explicit VR Little Endian", False),
    TransferSyntax(IMPLICIT_LE, "Implicit VR Little Endian", False),
    TransferSyntax(DEFLATED, "Deflated Explicit VR Little Endian", False),
    TransferSyntax("1.2.840.10008.1.2.5", "RLE Lossless", True),
    TransferSyntax("1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", True),
    TransferSyntax("1.2.840.10008.1.2.4.51", "JPEG Extended (Processes 2 and 4)", True),
    TransferSyntax("1.2.840.10008.1.2.4.57", "JPEG Lossless (Process 14)", True),
    TransferSyntax("1.2.840.10008.1.2.4.70", "JPEG Lossless SV1", True),
    TransferSyntax("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", True),
    TransferSyntax("1.2.840.10008.1.2.4.81", "JPEG-LS Near-lossless", True),
    TransferSyntax("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless", True),
    TransferSyntax("1.2.840.10008.1.2.4.91", "JPEG 2000", True),
    TransferSyntax("1.2.840.10008.1.2.4.201", "HTJ2K Lossless", True),
    TransferSyntax("1.2.840.10008.1.2.4.202", "HTJ2K Lossless RPCL", True),
    TransferSyntax("1.2.840.10008.1.2.4.203", "HTJ2K", True),
)
UNCOMPRESSED = (EXPLICIT_LE, IMPLICIT_LE)


def storage_contexts(*, secondary_capture: bool) -> tuple[PresentationContext, ...]:
    """What this node accepts as SCP: verification and the images it can read.

    DX For Processing is not among them: its pixels are raw detector values, and a picture rendered from them is not
        what a radiologist sees.
    """
    syntaxes = [t.uid for t in TRANSFER_SYNTAXES]
    images = image_classes(secondary_capture=secondary_capture)
    return (build_context(VERIFICATION, list(UNCOMPRESSED)), *(build_context(uid, syntaxes) for uid in images))


def commitment_contexts() -> tuple[PresentationContext, ...]:
    """What this node accepts so that a peer can say on an association of its own what it has committed (PS3.4 J.3.3):
    the peer stays the SCP, which it says by SCP/SCU role selection (PS3.7 D.3.3.4)."""
    context = build_context(STORAGE_COMMITMENT, list(UNCOMPRESSED))
    context.scu_role, context.scp_role = False, True
    return (context,)


def image_classes(*, secondary_capture: bool) -> tuple[str, ...]:
    """SOP classes of the images that this node reads."""
    return (COMPUTED_RADIOGRAPHY, DX_FOR_PRESENTATION) + ((SECONDARY_CAPTURE,) if secondary_capture else ())


def query_contexts(model: str) -> tuple[PresentationContext, ...]:
    """What this node proposes as SCU of one information model: study root C-FIND and C-MOVE, modality worklist."""
    return (build_context(model, list(UNCOMPRESSED)),)


def get_contexts(*, secondary_capture: bool) -> tuple[PresentationContext, ...]:
    """What this node proposes for a C-GET: the model as SCU, and the images as SCP (by role selection, PS3.7 D.3.3.4). Each
    transfer syntax has a context of its own, so that a peer sends what it has as it is."""
    images = image_classes(secondary_capture=secondary_capture)
    return (
        *query_contexts(STUDY_ROOT_GET),
        *(build_context(uid, t.uid) for uid in images for t in TRANSFER_SYNTAXES),
    )


def contexts_for(pairs: Sequence[tuple[str, str]]) -> list[PresentationContext]:
    """One presentation context for each different (SOP class, transfer syntax), so that files are sent as they are."""
    return [build_context(sop_class, syntax) for sop_class, syntax in dict.fromkeys(pairs)]
