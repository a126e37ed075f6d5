"""One consumer per channel: raw documents in, signed statements out. Stateless; runs while the database is down.

What is exported here is for the console, which shows the rules and how they are tuned.
"""

from intake.rules.rule import Rule
from intake.rules.tuning import MODES, Scope, Told, Tuned

__all__ = ["MODES", "Rule", "Scope", "Told", "Tuned"]
