"""What a delivery service puts around a document on its way -> the document, the headers that came along, and where it stood.

Input:   the JSON value as it arrived. Known are Amazon EventBridge (`detail`; Shopify's has the message in `payload`, its headers in `metadata`),
         Amazon SNS (`Message`, a text), and Google Pub/Sub's push (`message.data`, base64; `attributes`).
Output:  None where it is none of these: then it is the document itself.
Fails:   UndecodableMessage where what should be base64 is none; as the reader given does where the text inside is no JSON.
Source:  AWS, "Events from a partner: structure of an event", "SNS message formats"; Google Cloud, "Push subscriptions"; shopify.dev, "Webhooks: deliver through
         Amazon EventBridge, Google Pub/Sub"; read 2026-11-29. The service's own ids are no order's: they stay with the raw document.
"""

import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from schemas.failures import UndecodableMessage

Delivered = tuple[Any, dict[str, str], str]
"""The document, headers in lower case, its pointer."""


def delivered(value: Mapping[str, Any], read: Callable[[bytes], Any]) -> Delivered | None:
    """Return what a service's envelope contains; None where there is none."""
    if "detail-type" in value and isinstance(value.get("detail"), dict):
        return _bridged(value["detail"])
    if "TopicArn" in value and isinstance(value.get("Message"), str):
        return read(value["Message"].encode("utf-8", "replace")), {}, "/Message"
    message = value.get("message") if "subscription" in value else None
    if isinstance(message, dict) and isinstance(message.get("data"), str):
        return read(_plain(message["data"])), _headers(message.get("attributes")), "/message/data"
    return None


def _bridged(detail: Mapping[str, Any]) -> Delivered:
    if isinstance(detail.get("payload"), dict) and isinstance(detail.get("metadata"), dict):
        return detail["payload"], _headers(detail["metadata"]), "/detail/payload"
    return detail, {}, "/detail"


def _plain(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise UndecodableMessage("the message's data is no base64", field="/message/data", rule="base64") from None


def _headers(stated: Any) -> dict[str, str]:
    return {str(key).lower(): str(text) for key, text in stated.items()} if isinstance(stated, dict) else {}
