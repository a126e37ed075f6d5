"""Create topics and check that they are as this version needs them."""

import time
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, TopicCollection

# The client re-exports these without naming them, hence the ignore.
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from schemas.failures import TopicMismatch
from schemas.topics import Topic
from streaming.config import CLIENT_LOG

COPIES = 3
"""How many brokers hold a topic, where there are so many."""


def create_topics(bootstrap: str, topics: Iterable[Topic], timeout_seconds: float = 30.0) -> list[str]:
    """Create those that are missing; return their names. Existing ones are left as they are (see `check_topics`)."""
    admin = AdminClient({"bootstrap.servers": bootstrap}, logger=CLIENT_LOG)
    wanted = {topic.name: topic for topic in topics}
    created = []
    copies = min(COPIES, len(admin.list_topics(timeout=timeout_seconds).brokers))
    # With three copies a write counts once two have it: one broker may be lost, and nothing is.
    safety = {"min.insync.replicas": "2"} if copies == COPIES else {}
    new = [NewTopic(topic.name, topic.partitions, copies, config=topic.config | safety) for topic in wanted.values()]
    for name, future in admin.create_topics(new, operation_timeout=timeout_seconds, request_timeout=timeout_seconds).items():
        try:
            future.result(timeout_seconds)
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicMismatch(f"{name} could not be created: {error.args[0].str()}") from None
    _await_leaders(admin, wanted.values(), timeout_seconds)
    return created


def _await_leaders(admin: AdminClient, topics: Iterable[Topic], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    waiting = list(topics)
    while waiting and time.monotonic() < deadline:
        known = admin.list_topics(timeout=timeout_seconds).topics
        waiting = [topic for topic in waiting if not _led(known.get(topic.name), topic.partitions)]
        if waiting:
            time.sleep(0.05)
    if waiting:
        raise TopicMismatch(f"{', '.join(topic.name for topic in waiting)} got no leader in {timeout_seconds:.0f} s")


def _led(metadata: object, partitions: int) -> bool:
    parts = getattr(metadata, "partitions", {})
    return len(parts) == partitions and all(part.leader >= 0 for part in parts.values())


def check_topics(bootstrap: str, topics: Iterable[Topic], timeout_seconds: float = 15.0) -> None:
    """Raise `TopicMismatch` naming topic, setting, value found and value needed."""
    admin = AdminClient({"bootstrap.servers": bootstrap}, logger=CLIENT_LOG)
    known = admin.list_topics(timeout=timeout_seconds).topics
    wanted = list(topics)
    for topic in wanted:
        found = known.get(topic.name)
        if found is None:
            raise TopicMismatch(f"{topic.name} does not exist; run `ordermend topics`")
        if len(found.partitions) != topic.partitions:
            raise TopicMismatch(f"{topic.name} has {len(found.partitions)} partitions, {topic.partitions} are needed")
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in wanted]
    for resource, future in admin.describe_configs(resources).items():
        config = future.result(timeout_seconds)
        stamp = config["message.timestamp.type"].value
        if stamp != "LogAppendTime":
            raise TopicMismatch(f"{resource.name} has message.timestamp.type={stamp}, LogAppendTime is needed")


def topic_ids(bootstrap: str, names: Iterable[str], timeout_seconds: float = 15.0) -> dict[str, str]:
    """Return each topic's id: a topic that was deleted and made again has another one."""
    admin = AdminClient({"bootstrap.servers": bootstrap}, logger=CLIENT_LOG)
    described = admin.describe_topics(TopicCollection(list(names)), request_timeout=timeout_seconds)
    return {name: str(future.result(timeout_seconds).topic_id) for name, future in described.items()}
