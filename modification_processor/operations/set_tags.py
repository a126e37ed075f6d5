"""Put tags on the order and take tags off it.

Arguments: the tags to add and the tags to remove; all others stay. The result is sorted, each tag once. A tag to add
that is there, or to remove that is not, is passed over. Moves no money.
Refused where nothing would change, for a tag both added and removed, for more than 50 tags, and for a new tag that is
blank, longer than 40 characters, or has a comma (channels list tags with commas), outer blanks or control characters.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of
from modification_processor.operations.texts import checked
from schemas.leaves import member_of
from schemas.model import Model
from schemas.order import Order
from schemas.ticket import REASON_CODES, Operation

PATH = "/tags"
MAX_TAGS = 50
MAX_CHARACTERS = 40


class SetTags(Model):
    """Tags by their text, capitals and all."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


def touches(_order: Order, arguments: SetTags) -> tuple[Touch, ...]:
    """Each tag that comes or goes; the others are everybody else's. Without any, all: there is nothing to do then."""
    named = dict.fromkeys((*arguments.add, *arguments.remove))
    return tuple(Touch("notes", member_of(PATH, tag)) for tag in named) or (Touch("notes", PATH),)


def reads(_order: Order, _arguments: SetTags) -> frozenset[str]:
    """Nothing: the other tags stay, whatever they are by then."""
    return frozenset()


def apply(order: Order, arguments: SetTags, _context: Context) -> Order:
    """Return the order with the tags added and removed."""
    old, add, remove = set(order.tags), set(arguments.add), set(arguments.remove)
    for tag in arguments.add:
        _check_tag(tag)
    both = min(add & remove, default=None)
    if both is not None:
        raise OperationRefused("added_and_removed", f"tag {both!r} cannot be added and removed at once", field=PATH, value=both)
    new = (old | add) - remove
    if new == old:
        raise OperationRefused("no_change", "the order already has these tags", field=PATH)
    if len(new) > MAX_TAGS and new - old:
        raise OperationRefused("too_many_tags", f"{len(new)} tags; at most {MAX_TAGS} fit", field=PATH, value=str(len(new)))
    return order.model_copy(update={"tags": tuple(sorted(new))})


def _check_tag(tag: str) -> None:
    checked(tag, PATH, MAX_CHARACTERS)
    if not tag or tag != tag.strip() or "," in tag:
        raise OperationRefused("bad_tag", f"{tag!r} is no tag: it is blank, or has a comma or outer blanks", field=PATH, value=tag)


def inverse(order: Order, arguments: SetTags, _context: Context) -> tuple[Operation, ...]:
    """Remove what it added and add what it removed; none where that would be refused."""
    old = set(order.tags)
    back = SetTags(add=tuple(sorted(old & set(arguments.remove))), remove=tuple(sorted(set(arguments.add) - old)))
    try:
        for tag in back.add:
            _check_tag(tag)
    except OperationRefused:
        return ()
    return () if back.add and len(old) > MAX_TAGS else (inverse_of(OPERATION.name, back),)


OPERATION = OperationSpec(
    name="set_tags",
    version=1,
    arguments=SetTags,
    reasons=frozenset(REASON_CODES),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=True,
    apply=apply,
    inverse=inverse,
    verb=None,
)
