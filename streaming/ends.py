"""Where topics end: how many records were ever appended to each partition. For figures; asked of the broker once a look."""

from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # re-exported without being named

from schemas.failures import DependencyUnavailable

WAIT_SECONDS: Final = 5.0


def ends(servers: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """Return the offset after the last record by (topic, partition); a topic that is not there has none."""
    admin = AdminClient({"bootstrap.servers": servers})
    wanted = set(topics)
    try:
        known = admin.list_topics(timeout=WAIT_SECONDS).topics
        end = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's types leave it out
        places = {TopicPartition(name, part): end for name in wanted & known.keys() for part in known[name].partitions}
        found = admin.list_offsets(places, request_timeout=WAIT_SECONDS) if places else {}
        return {(place.topic, place.partition): future.result().offset for place, future in found.items()}
    except KafkaException as error:
        raise DependencyUnavailable(f"Kafka does not say where its topics end: {error.args[0].name()}", field="kafka") from None
