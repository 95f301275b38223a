"""What the evaluate stage collects about a candidate, and the dossier it makes of that."""
