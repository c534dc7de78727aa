"""The deployment guide, tried on this machine: ``python -m tests.deployment``."""
