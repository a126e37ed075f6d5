"""What a queue or a topic delivered is read as if the message in it had come alone."""

import json
from base64 import b64encode
from typing import Any

import pytest

from normalizers.channel import Document
from normalizers.wire import Broken, messages
from schemas.failures import OrdermendError, UndecodableMessage

ORDER = {"orderId": "7001", "lines": [1]}
OTHER = {"orderId": "7002"}
TEXT, OTHER_TEXT = json.dumps(ORDER), json.dumps({"data": OTHER})
TOPIC = {
    "Type": "Notification",
    "MessageId": "m",
    "TopicArn": "arn:aws:sns:eu-west-1:1:orders",
    "Message": TEXT,
    "Timestamp": "2026-01-01T00:00:00Z",
}
BRIDGED = {
    "version": "0",
    "id": "e",
    "detail-type": "shopifyWebhook",
    "detail": {"payload": ORDER, "metadata": {"X-Shopify-Topic": "orders/create"}},
}
PUSHED = {
    "message": {"data": b64encode(TEXT.encode()).decode(), "attributes": {"X-Shopify-Topic": "orders/create"}},
    "subscription": "projects/p/subscriptions/s",
}

DELIVERIES: tuple[tuple[Any, list[tuple[Any, str]]], ...] = (
    (TOPIC, [(ORDER, "/Message")]),
    ({"MessageId": "m", "ReceiptHandle": "r", "Body": TEXT}, [(ORDER, "/Body")]),
    ({"Messages": [{"MessageId": "m", "Body": json.dumps(TOPIC)}]}, [(ORDER, "/Messages/0/Body/Message")]),
    (
        {"Records": [{"messageId": "m", "body": TEXT}, {"messageId": "n", "body": OTHER_TEXT}]},
        [(ORDER, "/Records/0/body"), (OTHER, "/Records/1/body/data")],
    ),
    ({"Records": [{"EventSource": "aws:sns", "Sns": TOPIC}]}, [(ORDER, "/Records/0/Sns/Message")]),
    ({"headers": {}, "body": json.dumps(TOPIC)}, [(ORDER, "/body/Message")]),
    (BRIDGED, [(ORDER, "/detail/payload")]),
    (PUSHED, [(ORDER, "/message/data")]),
    ({"Records": [{"messageId": "m", "body": json.dumps(BRIDGED)}]}, [(ORDER, "/Records/0/body/detail/payload")]),
    ({**TOPIC, "Message": json.dumps(BRIDGED)}, [(ORDER, "/Message/detail/payload")]),
)


@pytest.mark.parametrize(("delivery", "want"), DELIVERIES)
def test_each_message_is_read_and_points_into_the_delivery(delivery: Any, want: list[tuple[Any, str]]) -> None:
    found = messages(Document(json.dumps(delivery).encode()))
    assert want == [(message.value, message.at) for message in found]


@pytest.mark.parametrize("delivery", [BRIDGED, PUSHED, {"Records": [{"messageId": "m", "body": json.dumps(BRIDGED)}]}])
def test_what_an_envelope_says_is_a_header_unless_the_record_says_otherwise(delivery: Any) -> None:
    body = json.dumps(delivery).encode()
    (told,) = messages(Document(body))
    assert {"x-shopify-topic": "orders/create"} == told.headers
    (told,) = messages(Document(body, {"x-shopify-topic": "orders/updated"}))
    assert {"x-shopify-topic": "orders/updated"} == told.headers


@pytest.mark.parametrize("bad", ["hello", '{"a": 1, "a": 2}', '{"a": "\\u0000"}'])
def test_a_message_that_cannot_be_read_holds_up_none_beside_it(bad: str) -> None:
    rows = [{"messageId": "m", "body": bad}, {"messageId": "n", "body": TEXT}]
    first, second = messages(Document(json.dumps({"Records": rows}).encode()))
    assert isinstance(first, Broken)
    with pytest.raises(OrdermendError):
        _ = first.value
    assert (ORDER, "/Records/1/body") == (second.value, second.at)


@pytest.mark.parametrize("wrapping", ['{"headers": {}, "body"', '{"MessageId": "m", "Body"'])
def test_half_a_surrogate_pair_beside_a_key_that_stands_twice_is_refused(wrapping: str) -> None:
    with pytest.raises(OrdermendError):
        messages(Document(f'{wrapping}: "\\ud800", "a": 1, "a": 2}}'.encode()))


@pytest.mark.parametrize(
    "order",
    [
        {"orderId": "7001", "Records": []},
        {"orderId": "7001", "Records": [{"body": TEXT}]},
        {"orderId": "7001", "Message": "for you"},
        {"orderId": "7001", "MessageId": "m", "Body": {"orderId": "7002"}},
    ],
)
def test_an_order_with_a_field_of_such_a_name_is_no_delivery(order: Any) -> None:
    (message,) = messages(Document(json.dumps(order).encode()))
    assert order == message.value


def test_a_delivery_of_no_json_is_refused() -> None:
    with pytest.raises(UndecodableMessage):
        messages(Document(json.dumps({**TOPIC, "Message": "hello"}).encode()))


def test_deliveries_within_deliveries_end() -> None:
    nested: Any = ORDER
    for _ in range(9):
        nested = {**TOPIC, "Message": json.dumps(nested)}
    (message,) = messages(Document(json.dumps(nested).encode()))
    assert "Message" in message.value
