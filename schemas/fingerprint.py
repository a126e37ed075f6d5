"""What makes two failures the same cause: a key over what does not vary from message to message, build to build.

In the key: error class, stage, exception (its code and rule), the first frame of ours (module and function, no line)
and the shape of the field's path. Not in it: text of messages, ids, values, amounts, line numbers, versions. Channel,
SKU and release are facets of a group, never part of its key; what a channel module raises has that module as its frame.

The key begins with its version. A newer algorithm writes newer keys and never touches stored ones, so no group an
operator knows changes under their hands.

Here rather than in `dlq_handler`, because the writer of orders stamps it on a letter in the transaction of the
failure, and neither of the two may import the other.
"""

import re
from hashlib import sha256
from types import TracebackType

VERSION = 2
PACKAGES = frozenset(
    {"schemas", "telemetry", "normalizers", "streaming", "store", "intake", "modification_processor", "dlq_handler", "ordermend"}
)
_KEYED = frozenset({"lines", "adjustments", "taxes", "payments", "holds", "allocations", "shares"})
"""Collections of the canonical order: what follows is a row's id, whatever it looks like."""
_NAME = re.compile(r"[A-Za-z]{2,}(?:_[A-Za-z]+)*\d{0,2}|[a-z]+(?:-[a-z]+)*")
"""A field's name: letters in words, at most two digits at its end (`address1`, `BEG03`); all else is an id or a place."""
_ANY = "[]"


def fingerprint(*, error_class: str, stage: str, exception: str, frame: str = "", path: str = "") -> str:
    """Return the group key of a failure: `v2-` and 20 hexadecimal digits."""
    parts = (f"v{VERSION}", error_class, stage, exception, frame, shape_of(path))
    digest = sha256("\x1f".join(parts).encode()).hexdigest()
    return f"v{VERSION}-{digest[:20]}"


def shape_of(path: str) -> str:
    """Return a field's path without what is of one message: `/lines/L7/price` and `/lines/3/price` -> `/lines/[]/price`."""
    shaped: list[str] = []
    before = ""
    for part in path.split("/"):
        keep = part == "" or (before not in _KEYED and _NAME.fullmatch(part) is not None)
        shaped.append(part if keep else _ANY)
        before = part
    return "/".join(shaped)


def frame_of(error: BaseException) -> str:
    """Return the innermost frame of ours, `module:function`; the innermost of all where none is ours; "" if never raised."""
    frames = _frames(error.__traceback__)
    ours = [frame for frame in frames if frame.split(".")[0].split(":")[0] in PACKAGES]
    return (ours or frames or [""])[-1]


def _frames(traceback: TracebackType | None) -> list[str]:
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        # A comprehension has a frame of its own in some versions of Python and none in others.
        function = code.co_qualname.split(".<locals>.<")[0]
        found.append(f"{traceback.tb_frame.f_globals.get('__name__', '?')}:{function}")
        traceback = traceback.tb_next
    return found
