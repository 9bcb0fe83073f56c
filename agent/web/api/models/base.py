"""What every answer of the interface is, and the one to a call that was not done."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """An object of an answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class ErrorBody(Answer):
    """Why something was not done. `code`: stable, for programs; `message`: for the person who reads the log."""

    code: str
    message: str


class Error(Answer):
    """The answer to every call that was not done."""

    error: ErrorBody
