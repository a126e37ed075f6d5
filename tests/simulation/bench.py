"""A processor on a book in memory, fed by hand: for what the simulation found, step by step."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from modification_processor.incoming import Incoming, Read, read
from modification_processor.service import Processor
from store import letters, partitions
from store.partitions import Advance
from store.tickets import TicketRow
from tests.simulation.memory.database import Database
from tests.simulation.posts import KEYS, TOPICS, Post, order_of
from tests.simulation.run import silence
from tests.simulation.scheduler import BEGINNING
from tests.simulation.seeded import VAULT, NoCatalogue
from tests.stores import SteppedBook, memory_book

NUMBER = 700_001
ORDER = order_of(NUMBER).order_id
DAY = 86_400.0


class Bench:
    """A processor on a book in memory, fed by hand."""

    def __init__(self, book: SteppedBook[Database]) -> None:
        self.book = book
        self.fails: dict[str, BaseException] = {}
        """Message -> what handling it raises."""
        self.offsets: dict[str, int] = {}
        self.processor = Processor(book.connect, "g", VAULT, TOPICS, self.step, catalogue=lambda _cursor: NoCatalogue())
        with book.connect() as connection:
            sources = (TOPICS.canonical, TOPICS.modifications, TOPICS.fulfillment)
            partitions.claim(connection.cursor(), "g", "me", [(topic, 0, "id") for topic in sources])

    def step(self, step: str) -> None:
        """A named step of the product, at which a message may fail."""
        error = self.fails.get(step.removeprefix("decide "))
        if error is not None:
            raise error

    def reading(self, post: Post, offset: int) -> Read:
        incoming = Incoming(post.topic, 0, offset, post.key, post.value, post.assertion, BEGINNING)
        return read(incoming, post.topic, KEYS)

    def send(self, post: Post) -> str:
        """Handle a message as the next of its partition; return its outcome's word."""
        offset = self.offsets.get(post.topic)
        self.offsets[post.topic] = (offset or 0) + 1
        advance = Advance(post.topic, 0, 1, offset, self.offsets[post.topic])
        return self.processor.handle([self.reading(post, offset or 0)], [advance]).words[0][1]

    def retry(self, topic: str) -> int:
        """Try the order's lane once it is due."""
        self.book.scheduler.clock.seconds += DAY / 2
        return self.processor.retry_lanes([(ORDER, topic)])

    def outcome(self, message_id: str) -> str:
        row = self.book.database.tables["inbox"][ORDER][ORDER, message_id]
        return str(row.outcome)

    def ticket(self, name: UUID) -> TicketRow:
        row: TicketRow = self.book.database.tables["ticket"][ORDER][ORDER, name]
        return row

    def ordered(self, line: int) -> int:
        row = self.book.database.tables["orders"][ORDER][(ORDER,)]
        return int(row.order.lines[line].ordered)

    def letter(self) -> letters.Letter:
        (row,) = self.book.database.tables["dead_letter"][ORDER].values()
        found: letters.Letter = row
        return found


@contextmanager
def a_bench() -> Iterator[Bench]:
    """Yield a bench with nothing on it."""
    with silence(), memory_book() as book:
        yield Bench(book)
