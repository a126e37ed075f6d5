"""What edits need, loaded when a process starts: every operation, every channel's declaration, the lock table.

They are found by discovery, and the first edit would load them: a quarter of a second of computing, in a transaction that holds its order
and everything that came with it.
"""

from modification_processor.field_locks import default_locks
from modification_processor.operations import discover as operations
from normalizers import discover as channels


def load_what_edits_need() -> None:
    """Load it; what is loaded stays."""
    operations()
    channels()
    default_locks()
