"""What is sent in one run: a few orders, and for each a stream of statements, changes, tickets, withdrawals and facts.

What people and the warehouse answer to what they find in the book is made here too, and sent by `counterparts.py`.

A plan follows from its seed alone. Its messages are those of `posts.py`.
"""

import random
from dataclasses import dataclass, field
from hashlib import sha256

from tests.simulation.posts import (
    EDITS,
    LATE_STATEMENTS,
    MOST_EDITS,
    MOST_JOBS,
    MOST_LARGE,
    MOST_RECALLS,
    MOST_RELEASES,
    MOST_UNDONE,
    MOST_VERSIONS,
    REFUSED_QUANTITY,
    Post,
    changed,
    fact,
    garbage,
    large,
    named,
    paid,
    recalling,
    released,
    stated,
    ticket,
    undoable,
    withdrawn,
)


@dataclass
class Plan:
    """What is sent when, and what is the matter with which message."""

    posts: list[tuple[float, Post]] = field(default_factory=list)
    """Seconds after the beginning, in their order."""
    numbers: list[int] = field(default_factory=list)
    """Which orders there are."""
    transient: dict[str, int] = field(default_factory=dict)
    """Message -> how often handling it fails for want of something outside."""
    poison: set[str] = field(default_factory=set)
    """Messages that our own code cannot handle until it is mended."""
    killers: set[str] = field(default_factory=set)
    """Messages that kill the process that handles them."""
    unstorable: dict[str, Post] = field(default_factory=dict)
    """Messages that the tables refuse."""
    forbidden: set[str] = field(default_factory=set)
    """Tickets whose author lacks the role."""
    jobs: int = 0
    """How many bulk jobs somebody submits over all orders."""
    twisted: set[bytes] = field(default_factory=set)
    """SHA-256 of values that come under the id of another."""


class Writer:
    """Writes a plan."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"{seed}:plan")
        self._plan = Plan()
        self._tickets: dict[int, list[Post]] = {}
        self._next: dict[int, dict[str, int]] = {}
        self._sent: list[Post] = []
        self._often = self._dice.choice((0, 4, 20))
        """How often tickets come that others act on."""
        self._kills = self._dice.choice((0.0, 0.005, 0.03))
        self._refused = self._dice.choice((1, 4, 8))
        self._held_back: dict[int, list[int]] = {}
        """Statements that come behind newer ones of their order."""
        self._named = self._dice.choice((0, 4, 12))
        self._recalls = self._dice.choice((0, 6, 15))
        self._pays = self._dice.choice((0, 0, 4))

    def write(self) -> Plan:
        """Return the plan: one to five orders, five to forty messages."""
        dice = self._dice
        numbers = [700_001 + n for n in range(dice.choice((1, 2, 3, 5)))]
        self._plan.numbers = numbers
        self._plan.jobs = dice.choice((0, 0, 1, MOST_JOBS))
        early = {number for number in numbers if dice.random() < 0.4}
        at, waiting = 0.0, set(early)
        for number in numbers:
            self._next[number] = {
                "stated": 1,
                "changed": 2,
                "ticket": 3,
                "fact": 1,
                "garbage": 0,
                "large": 0,
                "undoable": 0,
                "recalling": 0,
                "released": 0,
                "paid": 0,
            }
            if number not in early:
                self._send(at, stated(number, 0))
        for _ in range(dice.choice((5, 10, 20, 40))):
            at += dice.choice((0.0, 0.005, 0.05, 0.5, 3.0))
            self._send(at, self._any(dice.choice(numbers)))
            if waiting and dice.random() < 0.15:
                self._send(at, stated(waiting.pop(), 0))
        for number in sorted(waiting):
            self._send(at + dice.choice((0.0, 1.0)), stated(number, 0))
        for number in numbers if self._named else ():
            at = self._name_twice(at + 1.0, number)
        return self._plan

    def _name_twice(self, at: float, number: int) -> float:
        """Let the last that is told of an order be two notifications: the second may come while the first's fetch is under way."""
        for _ in range(2):
            version = self._next[number]["stated"]
            if version < MOST_VERSIONS:
                self._next[number]["stated"] += 1
                self._send(at, named(number, version))
                at += self._dice.choice((0.01, 0.05, 0.5, 3.0))
        return at

    def _any(self, number: int) -> Post:
        kind = self._dice.choices(
            (
                "ticket", "fact", "changed", "stated", "again", "withdraw", "forbidden", "twisted", "unstorable", "garbage", "large", "undoable",
                "recalling", "released", "paid", "named",
            ),
            (44, 14, 8, 8 + 2 * self._named, 8, 5, 3, 3, self._refused, 1, self._often, self._often, self._recalls, self._recalls, self._pays, self._named),
        )[0]  # fmt: skip
        if kind == "again" and self._sent:
            return self._dice.choice(self._sent[-10:])
        if kind in ("withdraw", "twisted") and self._tickets.get(number):
            old = self._dice.choice(self._tickets[number][-5:])
            if kind == "withdraw":
                return withdrawn(number, int(old.about))
            post = ticket(number, int(old.about), says=int(old.about) + 500)
            self._plan.twisted.add(sha256(post.value).digest())
            return post
        return self._fresh(number, kind)

    def _fresh(self, number: int, kind: str) -> Post:
        upcoming = self._next[number]
        name = "stated" if kind == "named" else kind if kind in upcoming else "ticket"
        if (kind, upcoming.get(kind)) in (
            ("large", MOST_LARGE),
            ("undoable", MOST_UNDONE),
            ("recalling", MOST_RECALLS),
            ("released", MOST_RELEASES),
            ("paid", 1),
        ):
            name = kind = "ticket"
        if sum(upcoming[each] for each in EDITS) >= MOST_EDITS and name in (*EDITS, "stated"):
            name = kind = "fact"
        count = upcoming[name]
        upcoming[name] += 1
        made = {
            "changed": changed, "fact": fact, "garbage": garbage, "large": large, "undoable": undoable, "recalling": recalling, "released": released,
        }.get(name)  # fmt: skip
        if made is not None:
            return made(number, count)
        if name == "paid":
            return paid(number)
        if name == "stated" and count < MOST_VERSIONS:
            return named(number, count) if kind == "named" else stated(number, self._out_of_order(number, count))
        post = ticket(number, upcoming["ticket"] if name == "stated" else count)
        if name == "stated":
            upcoming["ticket"] += 1
        if kind == "forbidden":
            post = ticket(number, count, allowed=False)
            self._plan.forbidden.add(post.message_id)
        elif kind == "unstorable":
            post = ticket(number, count, reason="nul\x00") if self._dice.random() < 0.2 else ticket(number, REFUSED_QUANTITY + count)
            self._plan.unstorable[post.message_id] = post
        else:
            self._tickets.setdefault(number, []).append(post)
        return post

    def _out_of_order(self, number: int, version: int) -> int:
        """Return which version is stated now: sometimes one that was held back, or the next one, and this one later."""
        held = self._held_back.setdefault(number, [])
        die = self._dice.random()
        if die < LATE_STATEMENTS:
            held.append(version)
            self._next[number]["stated"] += 1
            return version + 1
        if held and die > 1 - LATE_STATEMENTS:
            self._next[number]["stated"] -= 1
            return held.pop()
        return version

    def _send(self, at: float, post: Post) -> None:
        dice, plan = self._dice, self._plan
        first = all(post.message_id != other.message_id for other in self._sent)
        if first and post.kind not in ("garbage", "TicketCancelled") and post.message_id not in plan.unstorable:
            die = dice.random()
            if die < 0.10:
                plan.transient[post.message_id] = dice.choice((1, 1, 2, 3, 9))
            elif die < 0.14:
                plan.poison.add(post.message_id)
            elif die < 0.14 + self._kills and post.kind not in ("OrderStated", "FetchNeeded"):
                plan.killers.add(post.message_id)
        self._sent.append(post)
        plan.posts.append((at, post))


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    return Writer(seed).write()
