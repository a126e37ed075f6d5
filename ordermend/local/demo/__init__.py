"""`ordermend demo`: the whole line on one machine, with traffic of our own, and a report that has to close.

`driver.run` is the flow. It only plays the world around Ordermend: the channels that send documents, the agents who
open tickets, the warehouse that reports facts. What became of them is read from the database alone.
"""
