"""The labelled set: payloads of our own, each with the verdict that its channel's documentation makes right, and why.

`channels.toml` says, channel by channel, where in a document of ours stand the name, the quantity, the total …, and which section of the
channel's documentation says what may stand there. `defects.py` is the table of what is done to them and of the verdict that follows from what
was done. `cases.py` multiplies the two. No label comes from running the code: `measure.py` compares, and reports per channel how often the
rules judge too hard or too softly.
"""
