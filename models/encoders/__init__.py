"""Words, embeddings, pictures and wearable series as features, worked out offline."""

from models.encoders.encoders import NO_ENCODERS, Encoders

__all__ = ["NO_ENCODERS", "Encoders"]
