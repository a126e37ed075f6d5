"""Given payload files, to be sent first: `<folder>/<channel>/*`, each file one raw message without a key.

Decides: which files are payloads. `*.expected.json` says what a payload must become, so it is none; a part of an
order (`*.part-*`) is a message of its own; a folder that is no channel of ours is left out and named.
Fails:   FeedUnusable where nothing can be sent.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from schemas.failures import OrdermendError

ANSWER = ".expected.json"


class FeedUnusable(OrdermendError):
    """The folder has no payload of a channel of ours."""

    code = "feed_unusable"
    error_class = "SEMANTIC"


@dataclass(frozen=True, slots=True)
class Payload:
    """A file to send."""

    channel: str
    path: Path


@dataclass(frozen=True, slots=True)
class Feed:
    """What a folder holds: payloads by channel and name, and the folders that no channel reads."""

    payloads: tuple[Payload, ...] = ()
    unread: tuple[str, ...] = ()


def read_feed(folder: Path, channels: Collection[str]) -> Feed:
    """List the payloads below `folder`; raises `FeedUnusable` if there is none."""
    if not folder.is_dir():
        raise FeedUnusable(f"{folder} is no folder: give one with a folder for each channel", field="--feed", rule="is_folder")
    places = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    payloads = tuple(Payload(place.name, path) for place in places if place.name in channels for path in _payloads(place))
    if not payloads:
        named = ", ".join(sorted(channels))
        raise FeedUnusable(f"{folder} has no file in a folder named after a channel ({named})", field="--feed", rule="has_payload")
    return Feed(payloads, tuple(place.name for place in places if place.name not in channels))


def _payloads(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith(".") and not path.name.endswith(ANSWER))
