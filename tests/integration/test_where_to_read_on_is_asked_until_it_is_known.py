"""A broker that cannot say yet where a group stands is asked again; until it has said, nothing is read, and the reader goes on living."""

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException

from ordermend import bootstrap
from streaming.config import consumer_config
from streaming.consumer import BatchConsumer, Place
from streaming.producer import Record
from tests.conftest import Eventually
from tests.line import Line


def test_where_to_read_on_is_asked_until_it_is_known(line: Line, eventually: Eventually) -> None:
    topic = line.topics.events
    line.producer.send([Record(topic, b"key", f"{number}".encode(), []) for number in range(3)])
    asked: list[int] = []

    def start(places: Sequence[Place]) -> Mapping[Place, int | None]:
        asked.append(len(places))
        if len(asked) < 3:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return dict.fromkeys(places)

    consumer = BatchConsumer(
        consumer_config(bootstrap.bootstrap_of(line.settings), f"{topic}.asking", None), [topic], start, lambda _: None
    )
    read: list[bytes | None] = []

    def all_read() -> bool:
        found = [message.value() for message in consumer.poll(10, 0.1)]
        assert len(asked) >= 3 or not found
        read.extend(found)
        return len(read) == 3

    eventually(all_read, what="the three records read")
    assert sorted(read, key=str) == [b"0", b"1", b"2"]
    assert asked == 3 * asked[:1]
    consumer.close()
