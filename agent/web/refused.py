"""A caller is not let through, or asks for what is not there."""

from __future__ import annotations


class Refused(Exception):
    """The answer is a status and a code; texts of pages have words for the code under ``refused.CODE``."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code
