"""Numbers of rows and revisions as callers give them: what no database of ours can hold is refused before it is asked."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Path, Query

LARGEST_KEY = 2**31 - 1  # an integer column of PostgreSQL
RowInPath = Annotated[int, Path(ge=0, le=LARGEST_KEY)]
RowInQuery = Annotated[int, Query(ge=0, le=LARGEST_KEY)]
RowInForm = Annotated[int, Form(ge=0, le=LARGEST_KEY)]
RevisionInQuery = Annotated[int | None, Query(ge=1, le=LARGEST_KEY)]
RevisionInForm = Annotated[int, Form(ge=1, le=LARGEST_KEY)]
