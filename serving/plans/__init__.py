"""Plans for days without network: decided ahead, signed, and reconciled with what was really given."""
