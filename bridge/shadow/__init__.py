"""The shadow month: what a validation may claim, and how surely."""
