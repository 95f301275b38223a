"""The language and the judgement of digital therapeutics. Pure computing."""
