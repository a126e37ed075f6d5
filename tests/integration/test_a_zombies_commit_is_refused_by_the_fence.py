"""A processor loses its partition without noticing, and commits. The fence refuses it; nothing of its batch is stored."""

from datetime import UTC, datetime

import pytest

from modification_processor.fence import Fenced
from modification_processor.incoming import Incoming, read
from ordermend import bootstrap
from schemas.assertion import HEADER
from schemas.codec import encode
from schemas.facts import FulfillmentFact
from store import partitions
from store.partitions import Advance
from tests.line import Line, order_in, shopify_order


def test_a_zombies_commit_is_refused_by_the_fence(still_line: Line) -> None:
    line = still_line
    topic, group = line.topics.fulfillment, line.settings.topic_prefix + bootstrap.GROUP
    order_id = order_in(shopify_order(3001)).order_id
    fact = FulfillmentFact(fact_id="f1", order_id=order_id, kind="allocated", at=datetime.now(UTC))
    value = encode(fact)
    token = line.warehouse.sign(value, message_id="fact:f1", order_id=str(order_id), sub="wms")
    incoming = Incoming(topic, 0, 0, str(order_id).encode(), value, token, datetime.now(UTC))
    message = read(incoming, "orders.fulfillment.v1", bootstrap.keyring(line.settings))
    assert message.failure is None
    assert HEADER == "actor"

    with line.book.transaction(), line.book.cursor() as cursor:
        mine = partitions.claim(cursor, group, "zombie", [(topic, 0, "id-1")])[topic, 0]
    with line.book.transaction(), line.book.cursor() as cursor:
        theirs = partitions.claim(cursor, group, "heir", [(topic, 0, "id-1")])[topic, 0]
    assert mine.epoch + 1 == theirs.epoch

    zombie, heir = bootstrap.processor(line.settings), bootstrap.processor(line.settings)
    with pytest.raises(Fenced) as refused:
        zombie.handle([message], [Advance(topic, 0, mine.epoch, mine.next_offset, 1)])
    assert ({(topic, 0)}, {}) == (refused.value.lost, refused.value.ahead)
    assert 0 == line.one("select count(*) from inbox")
    heir.handle([message], [Advance(topic, 0, theirs.epoch, theirs.next_offset, 1)])
    assert [("waiting",)] == line.rows("select outcome from inbox")
    # The heir itself, had it not heard that its commit went through: it is told how far it came, and loses nothing.
    with pytest.raises(Fenced) as again:
        heir.handle([message], [Advance(topic, 0, theirs.epoch, theirs.next_offset, 1)])
    assert (set(), {(topic, 0): 1}) == (again.value.lost, again.value.ahead)
    assert 1 == line.one("select count(*) from inbox")
    zombie.close()
    heir.close()
