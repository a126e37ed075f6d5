"""Where orders are fetched from: what a channel's source is asked, and how it may answer. A port: `ORDERMEND_SOURCES` names yours.

A channel that only names an order (a notification, a lone part, lines without their order) is asked for it by the fetcher. A source
knows the channel's address and credentials; nothing of either is kept here. Asking changes nothing at the channel, so it is
asked again wherever the answer was lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from normalizers.channel import Document


@dataclass(frozen=True)
class Wanted:
    """An order to fetch. `missing` says what was not in the document that named it, as its channel's module puts it."""

    channel: str
    account: str
    channel_order_id: str
    missing: tuple[str, ...]


class NoSuchOrder(Exception):
    """The channel says that it has no such order; it may not have it *yet*."""


class AskedTooOften(Exception):
    """The channel wants a pause; `seconds` is how long it says, None where it does not."""

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class NotAllowed(Exception):
    """The channel does not let us in: a person has to renew what lets us. The text says what it answered, and holds no secret."""


class ChannelSource(Protocol):
    """One channel's way to hand out its orders. Called from several threads at once."""

    def fetch(self, wanted: Wanted, timeout_seconds: float) -> tuple[Document, ...]:
        """Return the order as the channel states it: one document, or the several answers that together state it.

        Each is the bytes as they came, with the headers its channel's module looks at, lower case. Raises `NoSuchOrder`,
        `AskedTooOften`, `NotAllowed`; anything else counts as no answer, and is asked again.
        """


Sources = Mapping[str, ChannelSource]
"""Source by channel."""
