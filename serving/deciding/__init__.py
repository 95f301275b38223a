"""Decisions that are kept: one or several, asked again, explained, overridden."""
