"""Shows what coir does: a real server, a real dataset, people at work, and the copied script."""
