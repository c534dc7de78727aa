"""Inputs. Each knows how it becomes what the services take; what it may say is judged there."""
