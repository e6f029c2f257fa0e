"""What happened: an append-only, hash-chained record of runs, steps, approvals, deliverables and the gate."""
