"""Who writes what: the plan, the manager that makes it, the workers that follow it."""
