"""What delivery services put around documents on their way -> each document, the headers that came along, and where it stood.

Input:   the JSON value as it arrived, one envelope within the other: a bus may feed a queue, a queue a function. Known are Amazon EventBridge (`detail`;
         Shopify's has the message in `payload`, its headers in `metadata`), SNS (`Message`), SQS (`Body`, several in `Messages`) and what calls a
         Lambda function with either (`Records`), and Google Pub/Sub's push (`message.data`, base64; `attributes`).
Output:  one row a message; a value in no envelope is itself. A message of several that cannot be read is a row with its error: its neighbours stand.
Fails:   as the reader given does where the one text inside is no JSON; UndecodableMessage where what should be base64 is none.
Source:  AWS, "Events from a partner: structure of an event", "SNS message formats", "SQS: ReceiveMessage", "Using Lambda with Amazon SQS", "with Amazon SNS";
         Google Cloud, "Push subscriptions"; shopify.dev, "Webhooks: deliver through Amazon EventBridge, Google Pub/Sub"; read 2026-11-29. The
         services' own ids are no order's: they stay with the raw document.
"""

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from schemas.failures import OrdermendError, UndecodableMessage

MAX_NESTED = 4
"""Envelopes within envelopes; what is deeper stays as it is."""
Read = Callable[[bytes], Any]


class Delivered(NamedTuple):
    """A message: its value, headers in lower case, its pointer; or why it cannot be read."""

    value: Any
    headers: Mapping[str, str]
    at: str
    error: OrdermendError | None = None


def delivered(value: Any, headers: Mapping[str, str], at: str, read: Read) -> list[Delivered]:
    """Return the messages in `value`, which came with `headers` and stands at `at`; what came with it goes before what an envelope says."""
    return list(_opened(Delivered(value, headers, at), read, MAX_NESTED))


def _opened(here: Delivered, read: Read, depth: int) -> Iterator[Delivered]:
    if not depth or not isinstance(here.value, dict):
        yield here
    elif (key := _batch_in(here.value)) is not None:
        rows = here.value[key]
        for index, row in enumerate(rows):
            place = here._replace(value=row, at=f"{here.at}/{key}/{index}")
            try:
                yield from list(_opened(place, read, depth - 1))
            except OrdermendError as error:
                if len(rows) == 1:
                    raise
                yield place._replace(error=error)
    elif (inner := _inside(here.value, read)) is not None:
        yield from _opened(Delivered(inner.value, {**inner.headers, **here.headers}, here.at + inner.at), read, depth - 1)
    else:
        yield here


def _batch_in(value: Mapping[str, Any]) -> str | None:
    """Return under which key several deliveries stand."""
    for key in ("Records", "Messages"):
        listed = value.get(key)
        if isinstance(listed, list) and listed and all(isinstance(row, dict) and _carries(row) for row in listed):
            return key
    return None


def _inside(value: Mapping[str, Any], read: Read) -> Delivered | None:
    """Return what one envelope contains; None where there is none."""
    if "detail-type" in value and isinstance(value.get("detail"), dict):
        return _bridged(value["detail"])
    message = value.get("message") if "subscription" in value else None
    if isinstance(message, dict) and isinstance(message.get("data"), str):
        return Delivered(read(_plain(message["data"])), _lower(message.get("attributes")), "/message/data")
    key = _carries(value)
    if key is None:
        return None
    # Half a surrogate pair is for the reader to refuse.
    inner = value[key] if key == "Sns" else read(value[key].encode(errors="surrogatepass"))
    return Delivered(inner, {}, f"/{key}")


def _carries(row: Mapping[str, Any]) -> str | None:
    """Return under which key a topic's or a queue's delivery has its message; None where `row` is none."""
    if isinstance(row.get("Sns"), dict):
        return "Sns"
    if isinstance(row.get("Message"), str) and ("TopicArn" in row or "MessageId" in row):
        return "Message"
    if "MessageId" in row and isinstance(row.get("Body"), str):
        return "Body"
    return "body" if "messageId" in row and isinstance(row.get("body"), str) else None


def _bridged(detail: Mapping[str, Any]) -> Delivered:
    if isinstance(detail.get("payload"), dict) and isinstance(detail.get("metadata"), dict):
        return Delivered(detail["payload"], _lower(detail["metadata"]), "/detail/payload")
    return Delivered(detail, {}, "/detail")


def _plain(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise UndecodableMessage("the message's data is no base64", field="/message/data", rule="base64") from None


def _lower(stated: Any) -> dict[str, str]:
    return {str(key).lower(): str(text) for key, text in stated.items()} if isinstance(stated, dict) else {}
