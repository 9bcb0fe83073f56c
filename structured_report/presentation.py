"""PreRead -> Grayscale Softcopy Presentation State (PS3.3 A.33.1): the boxes of the findings over the image itself.

One state for each image with boxes: the modality LUT of a state holds for every image that it names (PS3.3 C.11.1), and two
views of a study need not share theirs. The image is shown as it is stored and as its own header says; only where the header
has no window that can be used, with the one it was read with.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from structured_report.content import BANNER, FOR_COMMISSIONING, Outcome, PreRead
from structured_report.document import sayable
from structured_report.header import size_of
from structured_report.identity import Place, new_object
from structured_report.marks import Mark, marks

__all__ = ["Window", "encode_presentation_state", "images_with_boxes"]

LABEL = "AI_UNVERIFIED"  # Content Label (0070,0080), CS
LAYER = "AI_PREREAD"  # Graphic Layer (0070,0002), CS
NO_BOXES = "No box of an earlier AI pre-read of this image holds any more."
WITHDRAWN = "WITHDRAWN: the AI pre-read of this image was taken back and must not be used."
_AMBER = (54000, 36300, 51100)  # Recommended Display CIELab Value (PS3.3 C.10.7.1.1): L* 82, a* 13, b* 71
_BANNER_HEIGHT, _LABEL_HEIGHT = 0.08, 0.04  # of the displayed area; of the image
_SHUTTER = (
    "ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge", "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge", "CenterOfCircularShutter", "RadiusOfCircularShutter", "VerticesOfThePolygonalShutter",
    "ShutterPresentationValue",
)  # fmt: skip
_MODALITY = ("ModalityLUTSequence", "RescaleIntercept", "RescaleSlope", "RescaleType")
_VOI = ("VOILUTSequence", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")

Window = tuple[float, float]


def images_with_boxes(preread: PreRead, evidence: Sequence[Dataset]) -> list[str]:
    """SOP Instance UIDs of the images on which a box can be shown, in the order of the evidence."""
    marked = {mark.region.sop_instance_uid for mark in marks(sayable(preread, evidence))}
    return [uid for image in evidence if (uid := str(image.SOPInstanceUID)) in marked and _can_be_shown(image)]


def _can_be_shown(image: Dataset) -> bool:
    return size_of(image) is not None and _photometric(image) in ("MONOCHROME1", "MONOCHROME2")


def encode_presentation_state(
    preread: PreRead, image: Dataset, place: Place, *, number: int = 1, window: Window | None = None
) -> Dataset:
    """Write how one image is shown with its boxes, their labels and the banner.

    Without a box on that image it says that none of an earlier state holds any more, or that the result was withdrawn.

    Args:
        image: its header.
        number: Instance Number in the series.
        window: (center, width) it was read with, where its own header has none that can be used.

    Raises:
        ValueError: the image is not grayscale, or does not say how large it is.
    """
    if not _can_be_shown(image):
        raise ValueError("a grayscale presentation state is for a grayscale image that says how large it is")
    said = sayable(preread, [image])
    here = [m for m in marks(said) if m.region.sop_instance_uid == str(image.SOPInstanceUID)]
    made = new_object(said, GrayscaleSoftcopyPresentationStateStorage, "PR", place)
    made.InstanceNumber = number
    made.ContentLabel, made.ContentDescription = LABEL, "AI pre-read (unverified)"
    made.ContentCreatorName = ""
    made.PresentationCreationDate, made.PresentationCreationTime = made.ContentDate, made.ContentTime
    del made.ContentDate, made.ContentTime  # a state has those of its own
    made.ReferencedSeriesSequence = [_series(image)]
    made.DisplayedAreaSelectionSequence = [_displayed_area(image)]
    made.ImageHorizontalFlip, made.ImageRotation = "N", 0
    _grayscale(made, image, window)
    made.GraphicAnnotationSequence = [_annotation(said, image, here)]
    made.GraphicLayerSequence = [_layer()]
    return made


def _photometric(image: Dataset) -> str:
    return str(image.get("PhotometricInterpretation") or "").strip().upper()


def _reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item


def _series(image: Dataset) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = image.SeriesInstanceUID
    series.ReferencedImageSequence = [_reference(image)]
    return series


def _displayed_area(image: Dataset) -> Dataset:
    """All of the image (PS3.3 C.10.4), in its own proportions."""
    columns, rows = _size(image)
    area = Dataset()
    area.ReferencedImageSequence = [_reference(image)]
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [1, 1], [columns, rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    ratio = _pair(image, "PixelAspectRatio")
    spacing = next((s for k in ("PixelSpacing", "ImagerPixelSpacing") if (s := _pair(image, k)) is not None), None)
    if ratio is None and spacing is not None and spacing[0] != spacing[1]:
        area.PresentationPixelSpacing = list(spacing)
    else:
        area.PresentationPixelAspectRatio = [1, 1] if ratio is None else [round(v) for v in ratio]
    return area


def _size(image: Dataset) -> tuple[int, int]:
    size = size_of(image)
    assert size is not None
    return size


def _pair(image: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two numbers above zero; None for anything else."""
    try:
        first, second = (float(v) for v in image.get(keyword) or ())
    except (TypeError, ValueError):
        return None
    return (first, second) if first > 0 and second > 0 else None


def _grayscale(made: Dataset, image: Dataset, window: Window | None) -> None:
    """Modality LUT, softcopy VOI LUT, presentation LUT (PS3.4 N.2): those of a state replace those of its image, so that the
    image's own are copied. Its photometric interpretation counts for nothing there: MONOCHROME1 is INVERSE (PS3.3 C.11.6)."""
    if image.get("ModalityLUTSequence"):
        made.ModalityLUTSequence = copy.deepcopy(image.ModalityLUTSequence)
    elif (slope := _number(image, "RescaleSlope")) is not None:
        made.RescaleIntercept, made.RescaleSlope = _number(image, "RescaleIntercept") or 0, slope
        made.RescaleType = str(image.get("RescaleType") or "US")
    voi = _voi(image, window)
    if voi is not None:
        made.SoftcopyVOILUTSequence = [voi]
    made.PresentationLUTShape = "INVERSE" if _photometric(image) == "MONOCHROME1" else "IDENTITY"
    if image.get("ShutterShape"):
        for keyword in _SHUTTER:
            _copy(made, image, keyword)
        made.ShutterPresentationValue = made.get("ShutterPresentationValue", 0)


def _voi(image: Dataset, window: Window | None) -> Dataset | None:
    voi = Dataset()
    voi.ReferencedImageSequence = [_reference(image)]
    if window is not None:
        voi.WindowCenter, voi.WindowWidth = (f"{v:.10g}" for v in window)
        return voi
    for keyword in _VOI:
        _copy(voi, image, keyword)
    if not voi.get("VOILUTSequence") and (_number(voi, "WindowCenter") is None or _number(voi, "WindowWidth") is None):
        return None
    return voi


def _copy(made: Dataset, image: Dataset, keyword: str) -> None:
    if keyword in image and image[keyword].value not in (None, "", []):
        made[keyword] = copy.deepcopy(image[keyword])


def _number(image: Mapping[str, object] | Dataset, keyword: str) -> float | None:
    value = image.get(keyword)
    first = value[0] if isinstance(value, MultiValue | list | tuple) and value else value
    try:
        return float(first)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _annotation(preread: PreRead, image: Dataset, here: Sequence[Mark]) -> Dataset:
    item = Dataset()
    item.ReferencedImageSequence = [_reference(image)]
    item.GraphicLayer = LAYER
    item.TextObjectSequence = [_banner(preread, here), *(_label(mark, image) for mark in here)]
    if here:
        item.GraphicObjectSequence = [_outline(mark) for mark in here]
    return item


def _banner(preread: PreRead, here: Sequence[Mark]) -> Dataset:
    """Across the top of what is displayed, and there it stays when the image is moved (PS3.3 C.10.5, units DISPLAY)."""
    if preread.outcome is Outcome.WITHDRAWN:
        words = f"{WITHDRAWN} {BANNER}"
    else:
        words = BANNER if here else f"{NO_BOXES} {BANNER}"
    if preread.provenance.for_commissioning:
        words = f"{words} {FOR_COMMISSIONING}"
    return _text(words, "DISPLAY", (0.0, 0.0), (1.0, _BANNER_HEIGHT))


def _label(mark: Mark, image: Dataset) -> Dataset:
    """Above the box where there is room, else in it."""
    columns, rows = _size(image)
    tall, box = rows * _LABEL_HEIGHT, mark.region
    top = box.y0 - tall if box.y0 >= tall else box.y0
    left = min(box.x0, columns * 0.7)
    return _text(mark.label, "PIXEL", (left, top), (min(left + columns * 0.3, columns), min(top + tall, rows)))


def _text(words: str, units: str, top_left: tuple[float, float], bottom_right: tuple[float, float]) -> Dataset:
    text = Dataset()
    text.BoundingBoxAnnotationUnits = units
    text.UnformattedTextValue = words
    text.BoundingBoxTopLeftHandCorner, text.BoundingBoxBottomRightHandCorner = list(top_left), list(bottom_right)
    text.BoundingBoxTextHorizontalJustification = "LEFT"
    return text


def _outline(mark: Mark) -> Dataset:
    """A closed polyline in pixels of the stored image, counted from the top left corner of the first (PS3.3 C.10.5)."""
    box = mark.region
    outline = Dataset()
    outline.GraphicAnnotationUnits, outline.GraphicDimensions = "PIXEL", 2
    corners = [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1), (box.x0, box.y0)]
    outline.NumberOfGraphicPoints = len(corners)
    outline.GraphicData = [v for corner in corners for v in corner]
    outline.GraphicType, outline.GraphicFilled = "POLYLINE", "N"
    return outline


def _layer() -> Dataset:
    layer = Dataset()
    layer.GraphicLayer, layer.GraphicLayerOrder = LAYER, 1
    layer.GraphicLayerRecommendedDisplayGrayscaleValue = 65535
    layer.GraphicLayerRecommendedDisplayCIELabValue = list(_AMBER)
    layer.GraphicLayerDescription = "AI pre-read (unverified)"
    return layer
