"""Tuning: options of a kind searched inside the fitting patients, within a stated budget."""
