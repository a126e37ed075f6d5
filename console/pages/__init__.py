"""What the agent sees: one file a page, over the same services as the API, with the same rights."""

from fastapi import FastAPI
from nicegui import app, ui

from console.pages import approvals, bulk, bulk_job, dashboard, edit_rules, kpis, letter, letters, order, replay, rules, stock, tickets
from console.pages.shell import Desk

__all__ = ["Desk", "install"]


def install(api: FastAPI, desk: Desk) -> None:
    """Add the pages and the login to the application. Every asset comes from the installed packages."""
    api.include_router(desk.login.router())
    for page in (dashboard, order, bulk, bulk_job, approvals, letters, letter, replay, rules, edit_rules, kpis, tickets, stock):
        page.install(desk)
    # Quasar's bar at the top tells of requests that nobody waits for, and has no name for those who hear a page.
    app.config.quasar_config["loadingBar"]["skipHijack"] = True
    ui.run_with(
        api, title="Ordermend", language="en-US", dark=None, tailwind=False, show_welcome_message=False, reconnect_timeout=30.0
    )  # fmt: skip
