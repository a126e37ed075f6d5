"""What goes wrong, and when: at any step, by the dice of the seed. It ends, and everything that was broken is mended."""

from collections.abc import Callable
from functools import partial

from tests.simulation.broker import SESSION_SECONDS, Client
from tests.simulation.scheduler import Process
from tests.simulation.world import World

COMMITS = ("lost_before", "lost_after", "late")
WHOSE = ("", "processor")
"""Whose COMMIT it is: anybody's, or that of a batch."""
SENDS = ("before", "between", "after")
OUTAGES = (0.1, 1.0, 20.0)
FREEZES = (0.05, 0.5, 3.0, 12.0, 60.0)
LOOK_EVERY = 64


class Nemesis:
    """Breaks things in a world, one at a time."""

    def __init__(self, world: World) -> None:
        self._world = world
        dice = world.dice
        self._rate = dice.choice((0.001, 0.004, 0.015, 0.04))
        self._acts: list[tuple[str, Callable[[], None]]] = [
            ("crash", self._crash),
            ("freeze", self._freeze),
            ("cut from the coordinator", self._cut_off),
            ("rebalance", self._rebalance),
            ("read again", self._step_back),
            ("connection cut", self._cut_session),
            ("database restarted", self._restart_database),
            ("claim comes late", self._delay_a_claim),
            ("commit", lambda: self._world.next_commits.append((dice.choice(COMMITS), dice.choice(WHOSE)))),
            ("send", lambda: self._world.next_sends.append(dice.choice(SENDS))),
            ("clock jumps", self._jump),
        ]
        self._weights = [dice.choice((0, 1, 1, 3)) for _ in self._acts]
        self._on = True
        self._count = 0
        self._last_is_lost = dice.random() < 0.3
        """Whether the COMMIT of a batch is lost when nothing comes any more that would show it."""

    def step(self) -> None:
        """Perhaps break something."""
        self._count += 1
        if self._count % LOOK_EVERY == 0:
            self._world.database.end_idle()
        if self._on and self._last_is_lost and self._world.posted == len(self._world.plan.posts):
            self._last_is_lost = False
            self._world.trace.add("fault the last commit")
            self._world.next_commits.append(("lost_before", "processor"))
        if not self._on or self._world.dice.random() >= self._rate or not any(self._weights):
            return
        name, act = self._world.dice.choices(self._acts, self._weights)[0]
        if name not in ("commit", "send"):
            self._world.faults[name] += 1
        self._world.trace.add(f"fault {name}")
        act()

    def end(self) -> None:
        """Break nothing any more, and mend what is broken."""
        self._on = False
        world = self._world
        world.next_commits.clear()
        world.late_claims.clear()
        world.next_sends.clear()
        world.mended = True
        for process in world.processes.values():
            process.frozen_until = 0.0
        for client in world.broker.clients:
            client.cut_off = False
        for group in world.broker.groups.values():
            group.hasty = False
        world.trace.add("all is mended")

    def _any_process(self) -> Process:
        names = [name for name, process in self._world.processes.items() if process.alive and name != "outside"]
        return self._world.processes[self._world.dice.choice(names)]

    def _any_client(self) -> Client | None:
        clients = [client for client in self._world.broker.clients if not client.closed]
        return self._world.dice.choice(clients) if clients else None

    def _crash(self) -> None:
        if any(process.alive for name, process in self._world.processes.items() if name != "outside"):
            self._world.crash(self._any_process())

    def _freeze(self) -> None:
        if not any(process.alive for name, process in self._world.processes.items() if name != "outside"):
            return
        process, seconds = self._any_process(), self._world.dice.choice(FREEZES)
        until = self._world.scheduler.clock.seconds + seconds
        process.frozen_until = max(process.frozen_until, until)
        if seconds > SESSION_SECONDS:
            for client in self._world.broker.clients_of(process):
                self._world.scheduler.after(SESSION_SECONDS, partial(self._evict, client, until))

    def _evict(self, client: Client, until: float) -> None:
        if client.process.frozen_until >= until:
            client.group.evict(client)

    def _cut_off(self) -> None:
        client = self._any_client()
        if client is not None:
            client.cut_off = True
            client.group.evict(client)
            self._world.scheduler.after(self._world.dice.choice((0.5, 5.0, 30.0)), client.hear_again)

    def _rebalance(self) -> None:
        groups = list(self._world.broker.groups.values())
        if groups:
            group = self._world.dice.choice(groups)
            group.hasty = self._world.dice.random() < 0.5
            group.rebalance()

    def _delay_a_claim(self) -> None:
        """Let the group go on while somebody claims what it was given, and that claim come behind the next owner's."""
        self._world.late_claims.append(self._world.dice.choice((0.5, 3.0)))
        self._rebalance()

    def _step_back(self) -> None:
        client = self._any_client()
        if client is not None:
            client.step_back(self._world.dice.choice((1, 3, 10)))

    def _cut_session(self) -> None:
        if self._world.database.sessions:
            self._world.dice.choice(self._world.database.sessions).cut()

    def _restart_database(self) -> None:
        self._world.database.restart(self._world.dice.choice(OUTAGES))

    def _jump(self) -> None:
        self._world.scheduler.clock.seconds += self._world.dice.choice((1.0, 40.0, 900.0))
