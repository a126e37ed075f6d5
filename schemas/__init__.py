"""The language of the project: every model, event, failure and topic name the services share.

Imports nothing of ours, so that every other package may import it.
"""
