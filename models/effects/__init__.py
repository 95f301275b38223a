"""Effects of content: estimated doubly robust, and how strong a confounder would have to be to change them."""

from models.effects.doubly_robust import Scores

__all__ = ["Scores"]
