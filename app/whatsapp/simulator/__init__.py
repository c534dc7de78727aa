"""Plays Meta's side of the Cloud API, for tests and for staging without a Meta account.

It accepts template sends, validates them as Meta does, answers with ids, posts signed statuses back and lists
templates; its options make it slow, forgetful and unreliable in repeatable ways. It counts what it really accepted.
"""

from app.whatsapp.simulator.app import create_simulator
from app.whatsapp.simulator.options import SimulatorOptions
from app.whatsapp.simulator.scripts import Answer, ScriptedStatus, Step

__all__ = ["Answer", "ScriptedStatus", "SimulatorOptions", "Step", "create_simulator"]
