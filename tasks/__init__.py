"""How the work is done: one package per kind of system, and the task that carries a step (run.py)."""
