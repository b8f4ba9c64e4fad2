"""Behind the air gap: the kit that is carried over, the check of a machine, the proof that nothing leaves."""
