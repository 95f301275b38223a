"""Effects of content: estimated doubly robust, and how strong a confounder would have to be to change them."""

from models.effects.doubly_robust import Scores
from models.effects.effects import BY, Arms, By, Effect, effects
from models.effects.outcomes import logs_of
from models.effects.report import EffectsOf
from models.effects.sensitivity import Sensitivity, sensitivities

__all__ = ["BY", "Arms", "By", "Effect", "EffectsOf", "Scores", "Sensitivity", "effects", "logs_of", "sensitivities"]
