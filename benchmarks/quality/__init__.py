"""How good what is learnt is, against known truth."""
