"""What becomes of a form that is being filled in when its order moves on: nothing typed is lost, nothing is overwritten unseen. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from console.form.fields import Field, Section


@dataclass(frozen=True)
class Clash:
    """Somebody else changed a field that is being changed here: what it held, what it holds now, and what was typed."""

    field: Field
    before: str
    theirs: str
    yours: str


@dataclass(frozen=True)
class Followed:
    """What the move means for what was typed. `shut`: fields that are not open any more; their text is kept and not sent."""

    clashes: tuple[Clash, ...] = ()
    shut: tuple[Field, ...] = ()


def follow(base: Mapping[str, Field], after: Iterable[Section], typed: Mapping[str, str]) -> Followed:
    """Compare fields as whoever types has seen them (`base`) with the form as it is now, where they were changed."""
    new = {field.key: field for section in after for field in section.fields}
    clashes, shut = [], []
    for key, text in typed.items():
        was, now = base.get(key), new.get(key)
        if was is None or text.strip() == was.value.strip():
            continue
        if now is None or not now.enabled:
            shut.append(now or was)
        elif now.value.strip() not in (was.value.strip(), text.strip()):
            clashes.append(Clash(now, was.value, now.value, text.strip()))
    return Followed(tuple(clashes), tuple(shut))
