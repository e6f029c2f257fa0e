"""What people read: the deliverables, rendered from the inventory and the record of what happened."""
