"""How good what is learnt is: against what can be known, and against peers that learn from the same log."""
