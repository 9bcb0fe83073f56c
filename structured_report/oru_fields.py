"""Values on their way into a message: made fit for its character set, escaped, and kept aside while hl7apy builds the
skeleton.

Free text never goes through hl7apy, because it rewrites escape sequences and takes separators for structure: a token
goes in, and the escaped text replaces it in the finished message.
"""

from __future__ import annotations

import re
import unicodedata

from structured_report.content import Assigner, Code
from structured_report.header import valid_date, valid_time
from structured_report.hl7_characters import CHARACTER_SETS, fit
from structured_report.hl7_text import cap, escape
from structured_report.text import exactly, normalise_text

_TOKEN = re.compile(r"@@T\d{5}@@")
_CUT = "..."
_HALF_WIDTH = re.compile("[\uff61-\uff9f]+")


class IdentifierNotWritable(ValueError):
    """An identifier has characters that the receiver's character set has not; one that is altered is another one."""


class Fields:
    """The texts of one message. `replaced` counts the characters that stand as ``[U+2265]``."""

    def __init__(self, character_set: str) -> None:
        self._set, self._texts, self.replaced = character_set, dict[str, str](), 0

    def words(self, text: str) -> str:
        """Normalised, and fit for the character set; not escaped."""
        fitting, replaced = fit(normalise_text(text), self._set)
        self.replaced += replaced
        return fitting

    def line(self, text: str, limit: int) -> str:
        """A short text for people: on one line, blanks joined, at most so many characters after escaping."""
        return self._field(cap(escape(" ".join(self.words(text).split()), formatted=False), limit, _CUT))

    def exact(self, identifier: str) -> str:
        """An identifier, unaltered but for characters that no HL7 message can carry. Raises `IdentifierNotWritable`."""
        fitting, replaced = fit(exactly(identifier), self._set)
        if replaced:
            raise IdentifierNotWritable(
                f"an identifier of this study cannot be written in the character set {self._set}"
            )
        return self._field(escape(fitting, formatted=False))

    def order_number(self, number: str, assigner: Assigner | None) -> str:
        """An EI; empty where there is no number. Who gave it is left out where the character set cannot write that: the number is what
        a result is filed by."""
        entity = self.exact(number)
        if not entity or assigner is None:
            return entity
        try:
            parts = [self.exact(p) for p in (assigner.namespace, assigner.universal_id, assigner.universal_id_type)]
        except IdentifierNotWritable:
            return entity
        return "^".join((entity, *parts)).rstrip("^")

    def code(self, code: Code) -> str:
        """A CE. A code is never cut or altered: one that cannot be written leaves its meaning alone."""
        meaning = self.line(code.meaning, 199)
        try:
            return f"{self.exact(code.value)}^{meaning}^{self.exact(code.scheme)}"
        except IdentifierNotWritable:
            return f"^{meaning}"

    def name(self, name: str) -> str:
        """A PN (PS3.5 6.2.1) as XPN: one repetition for each component group, told apart by XPN.8 where there are several.

        DICOM has prefix before suffix, HL7 has suffix before prefix. The letters are those of the image: an accent that stands
        alone there is joined to its letter, and katakana of half width are written in full, only where the character set has no other
        way to write them.
        """
        groups = [(group, kind) for group, kind in zip(name.split("="), "AIP", strict=False) if group.strip("^ ")]
        repetitions = []
        for group, kind in groups:
            family, given, middle, prefix, suffix = (group.split("^") + [""] * 5)[:5]
            ordered = (family, given, middle, suffix, prefix)
            parts = [escape(self._part_of_name(c), formatted=False) for c in ordered]
            parts += ["", "L", kind] if len(groups) > 1 else []
            repetitions.append("^".join(parts).rstrip("^"))
        return self.er7("~".join(repetitions)) if repetitions else ""

    def _part_of_name(self, component: str) -> str:
        exact = exactly(component).strip(" ")
        fitting, replaced = fit(exact, self._set)
        if replaced:
            fitting, replaced = fit(unicodedata.normalize("NFC", exact), self._set)
        if replaced:  # the katakana of JIS X 0201, which ISO-2022-JP has in full width alone
            whole = _HALF_WIDTH.sub(lambda found: unicodedata.normalize("NFKC", found.group()), exact)
            fitting, replaced = fit(unicodedata.normalize("NFC", whole), self._set)
        self.replaced += replaced
        return fitting

    def er7(self, escaped: str) -> str:
        """A token for what is escaped already."""
        token = f"@@T{len(self._texts):05d}@@"
        self._texts[token] = escaped
        return token

    def put_into(self, skeleton: str) -> bytes:
        """The message with its texts, in its character set, checked to be nothing but segments."""
        if set(_TOKEN.findall(skeleton)) != set(self._texts):  # a number that two fields share stands in it twice
            raise ValueError("a text of the message was lost on its way through the skeleton")
        message = _TOKEN.sub(lambda found: self._texts[found.group()], skeleton)  # once: a text may look like a token
        if any(c < " " and c != "\r" for c in message):
            raise ValueError("a control character got into the message")
        return message.encode(CHARACTER_SETS[self._set])

    def _field(self, escaped: str) -> str:
        """As it is when nothing in it could be taken for structure, or for a blank too many, else by token."""
        plain = all(c.isascii() and (c.isalnum() or c in " .,-_:/()+") for c in escaped) and escaped == escaped.strip()
        return escaped if plain else self.er7(escaped)


def moment(date: str, time: str, offset: str) -> str:
    """DA and TM as an HL7 TS; what is not valid is left out rather than guessed."""
    day = valid_date(date)
    clock = valid_time(time) if day else ""
    zone = (
        offset.strip()
        if clock and len(offset.strip()) == 5 and offset.strip()[0] in "+-" and offset.strip()[1:].isdigit()
        else ""
    )
    whole, _, fraction = clock.partition(".")
    if len(whole) == 2:
        whole += "00"
    return day + whole + (f".{fraction[:4]}" if fraction else "") + zone
