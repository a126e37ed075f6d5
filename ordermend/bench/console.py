"""How long an edit takes at the console: from the agent's click to applied and visible, over HTTP, while orders stream in.

Three processes of services as they run (processor; intake, relay and the rest; the console itself). Twenty agents, each with a token of
the stack's issuer, go round: read an order, preview an edit, open its event stream, send the edit, wait until the stream says that it is
applied, read the order back, and think for about a second. 500 documents a second go through intake meanwhile.

Output:  milliseconds, median and 95th percentile, of each step from the agent's side, and of each stage of the way between (`edit_way.py`); the
         paces that were really held.
Fails:   BenchInvalid where an edit is not applied, an answer is not the expected one, or fewer documents were sent than a tenth below the pace.
"""

import http.client
import json
import random
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ordermend import bootstrap
from ordermend.bench.edit_way import Commits, Sent, ways
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.latency import BOOK, FIRST, ORDERS_A_SECOND, TICK_SECONDS, documents_in, enqueue_documents, spread, until
from ordermend.bench.place import Place
from ordermend.bench.processor import order_of
from ordermend.bench.report import Figures
from ordermend.bench.tickets import Planner, Seen
from ordermend.local.demo.children import CONSOLE, PROCESSES, Children
from ordermend.local.processes import free_port
from ordermend.progress import Report as Phases
from schemas.ticket import APPLIED_STATES, ModificationTicket
from streaming.producer import BatchProducer

AGENTS = 20
THINK_SECONDS = 1.0
USERS = ("agent", "approver", "operator")
"""Demo users who may edit; the door's rate is counted for each."""
START_SECONDS, ANSWER_SECONDS = 60.0, 30.0


def measure_console(place: Place, seconds: int, progress: Phases) -> Figures:
    """Run everything for `seconds` and measure."""
    port = free_port(None)
    address = f"127.0.0.1:{port}"
    environment = {**place.environment, "ORDERMEND_PORTS": "simulated", "ORDERMEND_CONSOLE_LISTEN": address}
    with (
        Children(environment, place.folder, {**PROCESSES, **CONSOLE}) as children,
        bootstrap.connector(place.settings, "bench-console")() as book,
    ):
        book.autocommit = True
        producer = BatchProducer(place.bootstrap)
        try:
            progress("Console", f"bringing {BOOK} orders in")
            documents_in(place, producer, range(FIRST, FIRST + BOOK))
            until(book, "select count(*) >= %s from orders", BOOK)
            _answering(address, children)
            tokens = [_token(environment["ORDERMEND_ISSUER_URL"], user) for user in USERS]
            progress("Console", f"{seconds} s of {AGENTS} agents and {ORDERS_A_SECOND} orders a second")
            commits = Commits(bootstrap.connector(place.settings, "bench-commits"))
            agents = [_Agent(address, tokens[number % len(tokens)], number) for number in range(AGENTS)]
            held = _pace(place, producer, seconds)
            for agent in agents:
                agent.stop()
            stages = ways(book, [each for agent in agents for each in agent.sent], commits.stop())
            children.check()
        finally:
            producer.close()
    return {"console": {"agents": AGENTS, **held, "restarts": children.restarts, **_figures(agents, seconds), "stages_ms": stages}}


def _figures(agents: "list[_Agent]", seconds: int) -> Figures:
    taken: dict[str, list[float]] = {name: [each for agent in agents for each in agent.taken[name]] for name in _Agent.STEPS}
    if len(taken["visible_ms"]) < AGENTS:
        raise BenchInvalid(f"{AGENTS} agents made only {len(taken['visible_ms'])} edits")
    edits = {"edits_a_second": round(len(taken["visible_ms"]) / seconds, 1), "refused": sum(agent.refused for agent in agents)}
    return {**edits, **{name: spread(each) for name, each in taken.items()}}


def _pace(place: Place, producer: BatchProducer, seconds: int) -> dict[str, float]:
    """Send documents at their pace; return the pace held."""
    began, number = time.monotonic(), FIRST + BOOK
    while (now := time.monotonic() - began) < seconds:
        due = FIRST + BOOK + int(now * ORDERS_A_SECOND)
        enqueue_documents(place, producer, range(number, due))
        number = max(number, due)
        time.sleep(TICK_SECONDS)
    producer.confirm()
    held = round((number - FIRST - BOOK) / seconds, 1)
    if held < 0.9 * ORDERS_A_SECOND:
        raise BenchInvalid(f"the pace could not be held: {held} orders a second")
    return {"orders_a_second": held}


def _answering(address: str, children: Children) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        children.check()
        try:
            with urllib.request.urlopen(f"http://{address}/api/v1/openapi.json", timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise BenchInvalid(f"the console does not answer within {START_SECONDS:g} s") from None
            time.sleep(0.2)


def _token(issuer: str, user: str) -> str:
    form = urllib.parse.urlencode({"username": user}).encode()
    with urllib.request.urlopen(f"{issuer}/token", form, timeout=5) as answer:  # noqa: S310 -- our own issuer
        token: str = json.load(answer)["access_token"]
    return token


@dataclass
class _Agent:
    """One agent in a thread: what each step took, in milliseconds."""

    STEPS = ("preview_ms", "taken_ms", "told_ms", "visible_ms")

    address: str
    token: str
    number: int
    taken: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _Agent.STEPS})
    sent: list[Sent] = field(default_factory=list)
    refused: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _failure: BaseException | None = None

    def __post_init__(self) -> None:
        # Each has orders of their own: who edits what together is no question here.
        mine = range(FIRST + self.number, FIRST + BOOK, AGENTS)
        self._planner = Planner([Seen.of(order_of(number)) for number in mine], seed=100 + self.number)
        self._http = http.client.HTTPConnection(self.address, timeout=ANSWER_SECONDS)
        self._chance = random.Random(self.number)  # noqa: S311 -- a pause
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"agent-{self.number}")
        self._thread.start()

    def stop(self) -> None:
        """End after the edit under way; raise what went wrong."""
        self._stop.set()
        self._thread.join(2 * ANSWER_SECONDS)
        self._http.close()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._stop.wait(self._chance.random() * THINK_SECONDS)  # agents do not all click at once
            while not self._stop.is_set():
                (ticket,) = self._planner.tickets(1)
                self._edit(ticket)
                self._stop.wait(THINK_SECONDS * (0.5 + self._chance.random()))
        except BaseException as error:  # noqa: BLE001 -- handed to the main thread, which raises it
            self._failure = error

    def _edit(self, ticket: ModificationTicket) -> None:
        here = f"/api/v1/orders/{ticket.order_id}"
        version = self._ask("GET", here)["version"]
        body = _body(ticket)
        looked = time.perf_counter()
        if self._ask("POST", f"{here}/preview", body)["refusal"]:
            self.refused += 1  # a charge was declined meanwhile, say: a person would not send it
            return
        self.taken["preview_ms"].append(_since(looked))
        stream = http.client.HTTPConnection(self.address, timeout=ANSWER_SECONDS)
        try:
            states = self._watch(stream, here)
            clicked, sent = time.time(), time.perf_counter()
            headers = {"Idempotency-Key": str(ticket.ticket_id), "If-Match": f'"{version}"'}
            self._ask("POST", f"{here}/tickets", body, headers, 202)
            self.taken["taken_ms"].append(_since(sent))
            state = states(ticket.ticket_id)
            told, told_at = _since(sent), time.time()
            if state not in APPLIED_STATES:
                self.refused += 1
                return
            if self._ask("GET", here)["version"] <= version:
                raise BenchInvalid(f"order {ticket.order_id} was said to be edited and is still at version {version}")
            self.taken["told_ms"].append(told)
            self.taken["visible_ms"].append(_since(sent))
            self.sent.append(Sent(ticket.ticket_id, clicked, told_at, time.time()))
        finally:
            stream.close()

    def _watch(self, stream: http.client.HTTPConnection, here: str) -> Callable[[UUID], str]:
        """Open the order's event stream; return what waits for a ticket's outcome."""
        stream.request("GET", f"{here}/events?seconds={int(ANSWER_SECONDS)}", headers=self._headers())
        answer = stream.getresponse()
        if answer.status != http.client.OK:
            raise BenchInvalid(f"the event stream answered {answer.status}")

        def outcome(ticket_id: UUID) -> str:
            for line in iter(answer.readline, b""):
                if line.startswith(b"data: "):
                    state: str = json.loads(line[6:])["tickets"].get(str(ticket_id), "submitted")
                    if state not in {"submitted", "waiting", "compensating"}:
                        return state
            raise BenchInvalid(f"ticket {ticket_id} had no outcome within {ANSWER_SECONDS:g} s")

        return outcome

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, more: Mapping[str, str] | None = None, expected: int = 200
    ) -> dict[str, Any]:
        text = None if body is None else json.dumps(body)
        self._http.request(method, path, text, {**self._headers(), "Content-Type": "application/json", **(more or {})})
        answer = self._http.getresponse()
        said = answer.read()
        if answer.status != expected:
            raise BenchInvalid(f"{method} {path} answered {answer.status}: {said[:200].decode('utf-8', 'replace')}")
        found: dict[str, Any] = json.loads(said)
        return found

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _body(ticket: ModificationTicket) -> dict[str, Any]:
    operations = [{"name": one.name, "arguments": json.loads(one.arguments)} for one in ticket.operations]
    return {"operations": operations, "reason_code": ticket.reason_code}


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
