"""PreRead -> Secondary Capture Image (PS3.3 A.8.1): the summary picture as a DICOM object.

In colour, though the film is grey: a viewer's window does not touch RGB, so that no setting hides the banner, the boxes stand
out from everything a film can show, and no program that reads grey films takes the picture for one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from structured_report.content import Code, PreRead
from structured_report.document import sayable
from structured_report.groups import coded
from structured_report.header import size_of
from structured_report.identity import Place, new_object
from structured_report.picture import Film, draw_picture

__all__ = ["encode_picture"]

_SOURCE = Code("121322", "DCM", "Source image for image processing operation")  # CID 7202
_HOW = "Summary of an unverified AI pre-read: film as it was read, boxes and words. Not for diagnosis."


def encode_picture(preread: PreRead, evidence: Sequence[Dataset], films: Sequence[Film], place: Place) -> Dataset:
    """Draw the pre-read and write it as a Secondary Capture Image, 8 bits, RGB.

    Args:
        evidence: the study's images with at least their headers; not changed.
        films: those of them that were read, as they were seen.
        place: the series and the UID of the picture.
    """
    said = sayable(preread, evidence)
    pixels = draw_picture(said, films)
    made = new_object(said, SecondaryCaptureImageStorage, "OT", place)
    made.ConversionType = "WSD"
    made.ImageType = ["DERIVED", "SECONDARY", "SUMMARY"]
    made.DerivationDescription = _HOW
    sources = _sources(said, evidence)
    if sources:
        made.SourceImageSequence = [_source(image) for image in sources]
    made.PatientOrientation = None  # words and films stand side by side: the picture has no direction
    made.BurnedInAnnotation = "YES"
    _lossy(made, sources)
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.Rows, made.Columns, _ = pixels.shape
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OB"
    return made


def _sources(preread: PreRead, evidence: Sequence[Dataset]) -> list[Dataset]:
    used = {use.sop_instance_uid for use in preread.images if use.used}
    return [image for image in evidence if str(image.SOPInstanceUID) in used and size_of(image) is not None]


def _source(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [coded(_SOURCE)]
    item.SpatialLocationsPreserved = "NO"
    return item


def _lossy(made: Dataset, sources: Sequence[Dataset]) -> None:
    """Once lossy, always lossy (PS3.3 C.7.6.1.1.5): what is made of a film that was compressed with loss says so, too."""
    lossy = [i for i in sources if str(i.get("LossyImageCompression") or "") == "01"]
    made.LossyImageCompression = "01" if lossy else "00"
    for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if lossy and lossy[0].get(keyword):
            setattr(made, keyword, lossy[0].get(keyword))
