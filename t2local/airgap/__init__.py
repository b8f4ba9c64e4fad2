"""Behind the air gap: the kit to carry over, the check of a machine, the proof of no network."""
