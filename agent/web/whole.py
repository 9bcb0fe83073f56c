"""Whole numbers in addresses and forms: none larger than the ledger can hold."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

LARGEST = 2**31 - 1
"""Of what the ledger counts; a column of integers of PostgreSQL holds no more."""

Number = Annotated[int, Path(ge=0, le=LARGEST)]
"""What a row is called, in an address."""
