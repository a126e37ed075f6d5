"""When a measurement means nothing, the bench ends with an error and no figure."""

from schemas.failures import OrdermendError


class BenchInvalid(OrdermendError):
    """The work was not all done, or not done right: its speed is no result."""

    code = "bench_invalid"
