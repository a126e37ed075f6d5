"""One thread, many processes: whose turn it is, what time it is, who is frozen and who dies, all from one seed.

A task is a greenlet that runs real code and gives its turn away at named points (`pause`, `wait`). Between two of them
nothing else happens, so a run is a sequence of (task, point) that the seed alone decides. Time is ours: a step takes a
millisecond, and where everybody waits the clock jumps to the first who is due.

A process is what dies or freezes as a whole: its tasks, and through `on_death` its sessions and its group memberships.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from greenlet import getcurrent, greenlet

BEGINNING = datetime(2026, 11, 23, 12, tzinfo=UTC)
STEP_SECONDS = 0.001


class Crash(BaseException):
    """The process is killed at this very point. No `except Exception` sees it."""


class Stuck(Exception):
    """The run did not come to rest in the steps it was given."""


class Clock:
    """Simulated time, in seconds since the beginning."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """The time of day."""
        return BEGINNING + timedelta(seconds=self.seconds)


@dataclass(eq=False)
class Process:
    """What lives, freezes and dies as one."""

    name: str
    tasks: list["Task"] = field(default_factory=list)
    alive: bool = True
    frozen_until: float = 0.0
    alarm: Callable[[], float | None] = lambda: None
    """When it wants to go round though nothing comes."""
    on_death: list[Callable[[], None]] = field(default_factory=list)


@dataclass(eq=False)
class Task:
    """A thread of a process."""

    process: Process
    name: str
    let: greenlet
    point: str = "begin"
    ready: Callable[[], bool] | None = None
    wake_at: float | None = None
    """None with `ready`: waits for it alone."""


class Trace:
    """Every step of a run: a digest always, the lines where they are wanted."""

    def __init__(self, *, keep: bool = False) -> None:
        self.lines: list[str] | None = [] if keep else None
        self.steps = 0
        self._digest = sha256()

    def add(self, line: str) -> None:
        """Append a line."""
        self._digest.update(line.encode() + b"\n")
        if self.lines is not None:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """What two equal runs have in common, and no two others."""
        return self._digest.hexdigest()


class Scheduler:
    """The hub. `every_step` is called before each turn: faults come from there."""

    def __init__(self, dice: random.Random, trace: Trace) -> None:
        self.clock = Clock()
        self.trace = trace
        self.burst = dice.choice((0.0, 0.5, 0.8, 0.95))
        """How likely whoever just ran goes on: some faults need long turns, others short ones."""
        self.every_step: Callable[[], None] = lambda: None
        self.tasks: list[Task] = []
        self._dice = dice
        self._by_let: dict[greenlet, Task] = {}
        self._last: Task | None = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_number = 0

    @property
    def current(self) -> Task | None:
        """Whose code runs now; None: the hub's, or that of a test without any task."""
        return self._by_let.get(getcurrent())

    def spawn(self, process: Process, name: str, run: Callable[[], None]) -> None:
        """Start a task; it ends when `run` returns, or with its process."""
        task = Task(process, name, greenlet(lambda: self._guard(run)))
        process.tasks.append(task)
        self.tasks.append(task)
        self._by_let[task.let] = task

    @staticmethod
    def _guard(run: Callable[[], None]) -> None:
        try:
            run()
        except Crash:
            return

    def pause(self, point: str) -> None:
        """Give the turn away at a named point; the process may die here."""
        self.wait(None, None, point)

    def wait(self, ready: Callable[[], bool] | None, seconds: float | None, point: str) -> bool:
        """Wait until `ready`, or for so long; return whether it is. Without a task nobody else could make it so."""
        task = self.current
        if task is None:
            self.clock.seconds += STEP_SECONDS
            return ready is None or ready()
        if not task.process.alive:
            raise Crash
        task.point, task.ready = point, ready
        task.wake_at = None if seconds is None else self.clock.seconds + seconds
        task.let.parent.switch()
        task.ready = None
        return ready is None or ready()

    def kill(self, process: Process) -> None:
        """Kill a process where its tasks stand; what it held is given back as the world outside sees it."""
        process.alive = False
        for die in process.on_death:
            die()
        for task in process.tasks:
            if task.let and not task.let.dead and task.let is not getcurrent():
                task.let.parent = getcurrent()
                task.let.throw(Crash)
        self.tasks = [task for task in self.tasks if task.process is not process]
        for task in process.tasks:
            if task.let is not getcurrent():
                self._by_let.pop(task.let, None)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something later."""
        self._timer_number += 1
        heapq.heappush(self._timers, (self.clock.seconds + seconds, self._timer_number, act))

    def run(self, done: Callable[[], bool], steps: int, *, strict: bool = True) -> None:
        """Give turns until `done`; raise `Stuck` after so many steps, or where nobody can move, unless that is no matter."""
        for count in range(steps):
            self._ring()
            if count % 16 == 0 and done():
                return
            self.every_step()
            task = self._next()
            if task is None:
                if done() or not strict:
                    return
                raise Stuck(f"nobody can move: {self.standing()}")
            self._turn(task)
        if strict and not done():
            raise Stuck(f"no rest after {steps} steps: {self.standing()}")

    def standing(self) -> str:
        """Say where everybody stands."""
        return "; ".join(f"{task.process.name}.{task.name} at {task.point}" for task in self.tasks)

    def _turn(self, task: Task) -> None:
        self.clock.seconds += STEP_SECONDS
        self.trace.steps += 1
        self.trace.add(f"{self.clock.seconds:.3f} {task.process.name}.{task.name} {task.point}")
        task.let.parent = getcurrent()
        task.let.switch()
        if task.let.dead:
            self._by_let.pop(task.let, None)
            if task in self.tasks:
                self.tasks.remove(task)

    def _ring(self) -> None:
        while self._timers and self._timers[0][0] <= self.clock.seconds:
            heapq.heappop(self._timers)[2]()

    def _next(self) -> Task | None:
        """Choose who is next; where nobody is ready, the time of the first who will be."""
        while True:
            last = self._last
            if last is not None and self._dice.random() < self.burst and last.process.alive and not last.let.dead and self._able(last):
                return last
            count = len(self.tasks)
            first = self._dice.randrange(count) if count else 0
            for index in range(count):
                task = self.tasks[(first + index) % count]
                if self._able(task):
                    self._last = task
                    return task
            if not self._jump():
                return None

    def _able(self, task: Task) -> bool:
        now = self.clock.seconds
        if task.process.frozen_until > now:
            return False
        if task.ready is None:
            return task.wake_at is None or task.wake_at <= now
        return (task.wake_at is not None and task.wake_at <= now) or task.ready()

    def _jump(self) -> bool:
        """Let time pass until somebody is due; False where nobody ever will be."""
        times = [max(task.wake_at, task.process.frozen_until) for task in self.tasks if task.wake_at is not None]
        times += [task.process.frozen_until for task in self.tasks if task.process.frozen_until > self.clock.seconds]
        times += [timer[0] for timer in self._timers[:1]]
        if not times:
            return False
        self.clock.seconds = max(self.clock.seconds, min(times))
        self._ring()
        return True
