"""Liveness looks at this process alone; readiness at what it needs; both over HTTP as a probe sees them."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from telemetry.health import HANDLER_SECONDS, JOIN_SECONDS, TICK_SECONDS, Health, serve
from telemetry.metrics import LAG_RECORDS, LOOP_TICK_SECONDS


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def healthy() -> tuple[Health, Clock]:
    clock = Clock()
    health = Health(clock=clock)
    health.started = True
    health.join("steady")
    return health, clock


def test_a_loop_that_goes_round_lives() -> None:
    health, clock = healthy()
    for _ in range(100):
        clock.now += TICK_SECONDS - 1
        health.tick()
        assert {} == health.liveness()


def test_a_loop_that_stands_still_is_dead() -> None:
    health, clock = healthy()
    clock.now += TICK_SECONDS + 1
    assert {"loop"} == health.liveness().keys()


def test_a_slow_batch_lives_and_a_hanging_one_is_dead() -> None:
    health, clock = healthy()
    health.handling(begins=True)
    clock.now += HANDLER_SECONDS - 1
    assert {} == health.liveness()
    clock.now += 2
    assert {"handler"} == health.liveness().keys()


def test_a_frozen_join_and_a_fatal_client_are_dead() -> None:
    health, clock = healthy()
    health.join("wait-join")
    clock.now += JOIN_SECONDS + 1
    health.tick()
    assert {"join"} == health.liveness().keys()
    health.fatal = "fenced"
    assert {"join", "fatal"} == health.liveness().keys()


def test_an_outage_takes_readiness_and_never_liveness() -> None:
    health, _ = healthy()
    health.ready("database", "OperationalError")
    assert {} == health.liveness()
    assert {"database"} == health.readiness().keys()
    health.ready("database")
    assert {} == health.readiness()


def test_one_loop_that_stands_still_is_seen_beside_those_that_go_on() -> None:
    health, clock = healthy()
    shopify, x12 = health.loop("shopify"), health.loop("x12")
    clock.now += TICK_SECONDS + 1
    shopify.tick()
    assert {"x12 loop"} == health.liveness().keys()
    x12.tick()
    assert {} == health.liveness()
    x12.fatal = "fenced"
    shopify.ready("kafka", "away")
    assert {"x12 fatal"} == health.liveness().keys()
    assert {"x12 fatal", "shopify kafka"} == health.readiness().keys()


def test_each_loop_has_its_own_tick() -> None:
    health = Health()
    shopify = health.loop("tick-shopify")
    health.loop("tick-x12")
    shopify.tick()
    ticks = {sample.labels["loop"]: sample.value for metric in LOOP_TICK_SECONDS.collect() for sample in metric.samples}
    assert time.time() - ticks["tick-shopify"] < 10
    assert "tick-x12" not in ticks


def test_a_process_with_loops_and_a_round_of_its_own_watches_both() -> None:
    health, clock = healthy()
    health.tick()
    health.loop("shopify")
    clock.now += TICK_SECONDS + 1
    assert {"loop", "shopify loop"} == health.liveness().keys()


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_probes_answer_over_http() -> None:
    health, clock = healthy()
    server = serve(health, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        assert [200, 200, 200] == [get(f"{base}/{probe}")[0] for probe in ("livez", "readyz", "startupz")]
        assert b"ordermend_processor_messages_total" in get(f"{base}/metrics")[1]
        clock.now += TICK_SECONDS + 1
        status, body = get(f"{base}/livez")
        assert 503 == status
        assert "loop" in json.loads(body)["problems"]
        assert 404 == get(f"{base}/nothing")[0]
    finally:
        server.shutdown()
        server.server_close()


def starting(health: Health, _: Clock) -> None:
    health.started = False


def database_away(health: Health, _: Clock) -> None:
    health.ready("database", "OperationalError")


def kafka_away(health: Health, _: Clock) -> None:
    health.ready("assignment", "no partition is assigned")


def halted(health: Health, _: Clock) -> None:
    health.ready("orders.canonical.v1[0]", "offset 9 is stored, Kafka's log runs from 0 to 3")


def stands_still(_: Health, clock: Clock) -> None:
    clock.now += TICK_SECONDS + 1


def slow_batch(health: Health, clock: Clock) -> None:
    health.handling(begins=True)
    clock.now += HANDLER_SECONDS - 1


def hanging_batch(health: Health, clock: Clock) -> None:
    health.handling(begins=True)
    clock.now += HANDLER_SECONDS + 1


def rebalancing(health: Health, clock: Clock) -> None:
    health.join("wait-join")
    clock.now += JOIN_SECONDS - 1
    health.tick()


def frozen_join(health: Health, clock: Clock) -> None:
    health.join("wait-join")
    clock.now += JOIN_SECONDS + 1
    health.tick()


def fatal(health: Health, _: Clock) -> None:
    health.fatal = "fenced"


def lag_only(_: Health, __: Clock) -> None:
    LAG_RECORDS.labels("orders.canonical.v1", "0").set(10**9)


def one_loop_of_several(health: Health, clock: Clock) -> None:
    shopify, _ = health.loop("shopify"), health.loop("x12")
    clock.now += TICK_SECONDS + 1
    health.tick()
    shopify.tick()


TRUTH = [
    # fault, and what liveness, readiness and startup answer
    (starting, 200, 503, 503),
    (database_away, 200, 503, 200),
    (kafka_away, 200, 503, 200),
    (halted, 200, 503, 200),
    (stands_still, 503, 503, 200),
    (slow_batch, 200, 200, 200),
    (hanging_batch, 503, 503, 200),
    (rebalancing, 200, 200, 200),
    (frozen_join, 503, 503, 200),
    (fatal, 503, 503, 200),
    (lag_only, 200, 200, 200),
    (one_loop_of_several, 503, 503, 200),
]


def test_the_truth_table_has_all_its_cells() -> None:
    assert 36 == sum(len(row) - 1 for row in TRUTH)
    assert 12 == len({row[0] for row in TRUTH})


@pytest.mark.parametrize(("fault", "alive", "ready", "started"), TRUTH, ids=lambda value: getattr(value, "__name__", str(value)))
def test_each_fault_is_answered_by_each_probe_as_it_has_to_be(
    fault: Callable[[Health, Clock], None], alive: int, ready: int, started: int
) -> None:
    health, clock = healthy()
    server = serve(health, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        assert [200, 200, 200] == [get(f"{base}/{probe}")[0] for probe in ("livez", "readyz", "startupz")]
        fault(health, clock)
        assert [alive, ready, started] == [get(f"{base}/{probe}")[0] for probe in ("livez", "readyz", "startupz")]
    finally:
        server.shutdown()
        server.server_close()
