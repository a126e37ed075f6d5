"""An e-mail address that no mail can reach delays no order: at most a warning. In shadow as shipped, for channels mask addresses.

Source: RFC 5322 section 3.4.1, RFC 6531 section 3.3, RFC 1035 section 2.3.4 (a name has at most 253 characters), read 2026-11-28.
"""

from intake.rules.rule import Rule
from normalizers.channel import StatedOrder
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about an address without a mailbox and a domain of two names."""
    email = stated.order.contact.email
    if email is None or reachable(email):
        return None
    return Finding(path="/contact/email", rule="email_shape", message="no mail can reach the e-mail address")


def reachable(email: str) -> bool:
    """Whether an address has the shape of one."""
    mailbox, at, domain = email.rpartition("@")
    quoted = mailbox.startswith('"') and mailbox.endswith('"') and len(mailbox) > 2
    if not at or not mailbox or len(mailbox) > 64 or (not quoted and ("@" in mailbox or _has_blanks(mailbox))):
        return False
    labels = domain.split(".")
    return 4 <= len(domain) + 1 <= 254 and len(labels) > 1 and all(labels) and not _has_blanks(domain)


def _has_blanks(text: str) -> bool:
    return text.split() != [text]


RULE = Rule(name="email_shape", mode="shadow", verdict="accept_with_warning", owner="customer-service", check=check)
