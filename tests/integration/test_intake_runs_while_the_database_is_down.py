"""The database is away. Intake goes on, its statements wait in Kafka, and the book catches up when the database is back.

The processor neither dies nor dead-letters anything, and says in its readiness what is missing.
"""

import signal

from ordermend import bootstrap
from ordermend.local import stack as local_stack
from ordermend.local.processes import stop
from ordermend.serving import Running
from ordermend.settings import Settings
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import running_line, shopify_order


def test_intake_runs_while_the_database_is_down(own_stack: Settings, eventually: Eventually) -> None:
    running = local_stack.up(own_stack)
    settings = local_stack.connected(own_stack).model_copy(update={"topic_prefix": "outage.", "db_schema": "outage"})
    with running_line(settings) as line:
        health = Health()
        line.services["processor"] = Running({"processor": bootstrap.processor_app(settings, health).run})
        line.start("intake", "relay", "retrier")
        line.state_order(shopify_order(8001))
        eventually(lambda: line.one("select count(*) from orders") == 1, what="the first order")

        line.book.close()
        database = running.parts["postgres"].process
        assert database is not None
        stop(database, signal.SIGINT, 30)
        for number in range(8002, 8012):
            line.state_order(shopify_order(number))
        eventually(lambda: "database" in health.readiness(), 60, what="readiness naming the database")
        assert {} == health.liveness()

        local_stack.up(own_stack)
        line.book = bootstrap.connector(settings, "test")()
        line.book.autocommit = True
        eventually(lambda: line.one("select count(*) from orders") == 11, 60, what="every order in the book")
        eventually(lambda: "database" not in health.readiness(), 60, what="readiness again")
        assert 0 == line.one("select count(*) from dead_letter")
        assert () == line.findings()
