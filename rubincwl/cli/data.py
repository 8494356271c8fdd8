"""The verbs that make, convert and move data."""
