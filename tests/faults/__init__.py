"""Faults of the system in the middle of a run: killed, or out of disk, at any call."""
