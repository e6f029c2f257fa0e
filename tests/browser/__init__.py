"""What a lead sees: Prefect's pages in a real browser."""
