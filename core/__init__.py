"""The grammar: steps, facts, plans, graphs, checks, errors and secrets. Imports no other room."""
