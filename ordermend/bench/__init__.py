"""`ordermend bench`: how fast the two hot paths are, each beside a bound measured in the same run.

`run.measure` is the flow. Intake: a bare confluent-kafka loop, our loop around the same function, and the whole of
intake, on one source topic. The processor: tickets on Kafka to events on Kafka, beside PostgreSQL's own bound for
set-based edits. The work is the real work: nothing is left out, relaxed or set up for the bench alone.
"""
