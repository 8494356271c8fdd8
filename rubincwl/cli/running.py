"""The verbs that run quanta and deliver what they made."""
