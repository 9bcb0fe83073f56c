"""HTML and SVG as trees, so that they are well-formed and every text in them is escaped."""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

Child = Element | str


def el(tag: str, *children: Child, **attributes: str | float) -> Element:
    """An element. An underscore in an attribute's name stands for a hyphen, one at its end for nothing; numbers are
    written with two digits."""
    element = Element(tag, {k.rstrip("_").replace("_", "-"): _text(v) for k, v in attributes.items()})
    for child in children:
        if isinstance(child, Element):
            element.append(child)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + child
        else:
            element.text = (element.text or "") + child
    return element


def page(root: Element) -> str:
    """The document."""
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html")


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
