"""Questions asked of a representation; the answers change nothing."""
