"""Transfer: a predictor that begins with what another release knows, where a test says that it helps."""
