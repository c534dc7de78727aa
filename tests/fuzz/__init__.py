"""Everything that somebody outside can send, sent oddly: ``make fuzz`` at length, ``make test`` a bounded share of it.

``targets`` names them all; the strategies are used by both ways. What is looked for: an answer of 5xx, an INTERNAL, an
error in the log, a case that does not end, memory that grows.
"""
