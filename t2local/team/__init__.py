"""Who writes what: the plan of components, the manager that makes it, the workers that follow it."""
