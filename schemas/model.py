"""The one base class of every canonical model.

Frozen (a change is a new value), closed (an unknown field is an error, never ignored) and strict
(2.9 is no quantity, "1_0" is no number). Instants are aware and in UTC.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen, closed, strict value. `KEY` names the field that identifies it inside a collection."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    KEY: ClassVar[str | None] = None

    def with_(self, **changes: Any) -> "Any":
        """Return a copy with `changes` in place; unchanged parts are shared, not copied.

        The values are not validated again: callers pass values of the declared types (mypy cannot see
        it, the round-trip property in tests does).
        """
        return self.model_copy(update=changes)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        message = "an instant needs a time zone"
        raise ValueError(message)
    return value if value.tzinfo is UTC else value.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_utc)]
"""An aware moment in UTC, microsecond resolution."""
