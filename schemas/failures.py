"""The one error tree: every failure has a class (what to do about it) and a stable reason code.

The class docstring is the default message; the code never changes, and reads the same in header, label,
log, console and docs. `Refusal`s are answers to the caller, not failures of ours.
"""

from typing import ClassVar, Literal, get_args

ErrorClass = Literal[
    "INFRA",
    "CONTENTION",
    "DEPENDENCY",
    "ORDERING",
    "STALE_EDIT",
    "BUSINESS_REJECT",
    "AUTHZ",
    "DECODE",
    "SCHEMA",
    "SEMANTIC",
    "IDEMPOTENCY_CONFLICT",
    "LIMIT",
    "SECURITY",
    "POISON_CRASH",
    "BUG",
]
ERROR_CLASSES: tuple[str, ...] = get_args(ErrorClass)

RETRYABLE: frozenset[str] = frozenset({"DEPENDENCY", "ORDERING", "BUG"})
"""Classes whose parked messages are tried again by the clock; the others wait for a person."""


class OrdermendError(Exception):
    """Something went wrong in Ordermend."""

    code: ClassVar[str] = "error"
    error_class: ClassVar[ErrorClass] = "BUG"

    def __init__(self, message: str | None = None, *, field: str | None = None, rule: str | None = None, value: str | None = None) -> None:
        """`field` is a JSON pointer or segment, `value` is cut to 80 characters."""
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])
        self.field = field
        self.rule = rule
        self.value = value if value is None or len(value) <= 80 else value[:77] + "..."

    @property
    def message(self) -> str:
        """The text for people."""
        return str(self.args[0])


class SettingsInvalid(OrdermendError):
    """The settings are not usable."""

    code = "settings_invalid"


class KeysMissing(OrdermendError):
    """A key this process needs is not there."""

    code = "keys_missing"
    error_class = "INFRA"


class StackFailed(OrdermendError):
    """A part of the local stack did not start."""

    code = "stack_failed"
    error_class = "INFRA"


class TopicMismatch(OrdermendError):
    """A topic is not as this version needs it."""

    code = "topic_mismatch"
    error_class = "INFRA"


class PartitionHalted(OrdermendError):
    """Kafka's log and the stored offset disagree; somebody has to look before more is read."""

    code = "partition_halted"
    error_class = "INFRA"


class UndecodableMessage(OrdermendError):
    """The bytes are not a record of ours."""

    code = "undecodable"
    error_class = "DECODE"


class UnknownSchema(OrdermendError):
    """The record was written with a schema that is not on the committed list."""

    code = "unknown_schema"
    error_class = "SCHEMA"


class InvalidRecord(OrdermendError):
    """The record decodes but breaks its model."""

    code = "invalid_record"
    error_class = "SCHEMA"


class KeyMismatch(OrdermendError):
    """The record's key names another order than its body."""

    code = "key_mismatch"
    error_class = "SEMANTIC"


class LimitExceeded(OrdermendError):
    """The input is larger, deeper or longer than we read."""

    code = "limit_exceeded"
    error_class = "LIMIT"


class UnsafeDocument(OrdermendError):
    """The document uses a construct that is refused for safety."""

    code = "unsafe_document"
    error_class = "SECURITY"


class NormalizationFailed(OrdermendError):
    """The document could not be read as an order."""

    code = "normalization_failed"
    error_class = "SEMANTIC"


class AssertionInvalid(OrdermendError):
    """The message does not prove who sent it."""

    code = "assertion_invalid"
    error_class = "AUTHZ"


class OrderUnknown(OrdermendError):
    """No order of that id is in the book yet."""

    code = "order_unknown"
    error_class = "ORDERING"


class SameIdOtherContent(OrdermendError):
    """A message id came twice with different content."""

    code = "same_id_other_content"
    error_class = "IDEMPOTENCY_CONFLICT"


class DependencyUnavailable(OrdermendError):
    """Somebody we depend on does not answer."""

    code = "dependency_unavailable"
    error_class = "DEPENDENCY"
