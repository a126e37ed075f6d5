"""`ordermend approvals`: what waits for approval, approving and declining it, and the rules that decide what has to wait."""

from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer

from ordermend import rule_commands

if TYPE_CHECKING:
    from ordermend.rule_texts import RuleTexts
    from ordermend.settings import Settings

TicketId = Annotated[UUID, typer.Argument(help="The ticket's id.")]
User = Annotated[str, typer.Option(help="Who reviews; never the ticket's author.")]
Role = Annotated[str, typer.Option(help="The role under which.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True, help="Review tickets, and tune what has to be reviewed.", epilog="Example: ordermend approvals list"
    )
    group.command("list", epilog="Example: ordermend approvals list")(listing)
    group.command(epilog="Example: ordermend approvals approve TICKET --user carla")(approve)
    group.command(epilog="Example: ordermend approvals decline TICKET --user carla")(decline)
    rule_commands.add(group, "approvals", "the approval rules", _texts, "holiday cover")
    app.add_typer(group, name="approvals")


def listing() -> None:
    """List tickets that await approval, those first that expire first."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.table import Table  # noqa: PLC0415

    from ordermend import bootstrap  # noqa: PLC0415

    table = Table("ticket", "order", "by", "operations", "rules", "money", "expires")
    with bootstrap.connector(_settings(), "approvals")() as connection:
        for row in connection.execute(
            """select t.ticket_id, o.order_number, t.user_id, t.operations, t.message, t.money_delta_minor, o.currency, t.due_at
                 from ticket t join orders o using (order_id) where t.state = 'awaiting_approval' order by t.due_at limit 500"""
        ):
            money = f"{_money(row[5] or 0, row[6])} {row[6]}"
            table.add_row(str(row[0]), row[1], row[2], row[3], row[4], money, f"{row[7]:%Y-%m-%d %H:%M}")
    Console().print(table)


def approve(ticket: TicketId, user: User, role: Role = "Order_Approve") -> None:
    """Approve a ticket with the effects it waits with. Whether it then passes is the processor's answer on the ticket."""
    _review(ticket, user, role, "approve")


def decline(ticket: TicketId, user: User, role: Role = "Order_Approve") -> None:
    """Decline a ticket: it ends without effect."""
    _review(ticket, user, role, "decline")


def _review(ticket: UUID, user: str, role: str, decision: Literal["approve", "decline"]) -> None:
    from ordermend import bootstrap  # noqa: PLC0415 - keeps --help fast
    from ordermend.reviews import send_review  # noqa: PLC0415

    here = _settings()
    with bootstrap.connector(here, "approvals")() as connection:
        order_id = send_review(
            connection, bootstrap.signer(here, "door-console", "cli"), bootstrap.topics_of(here), ticket, user, role, decision
        )
    typer.echo(f"{decision} of ticket {ticket} sent; see `ordermend order history {order_id}`")


def _texts() -> "RuleTexts":
    from modification_processor.approvals import APPROVAL, default_text, load_rules  # noqa: PLC0415 - keeps --help fast
    from ordermend import bootstrap  # noqa: PLC0415
    from ordermend.rule_texts import RuleTexts  # noqa: PLC0415

    return RuleTexts(APPROVAL, "approval rules", load_rules, default_text, bootstrap.connector(_settings(), "approvals"))


def _settings() -> "Settings":
    from ordermend import settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415

    return stack.connected(settings.load())


def _money(minor: int, currency: str) -> str:
    from schemas.money import to_text  # noqa: PLC0415 - keeps --help fast

    return to_text(minor, currency)
