"""What holds for all tests."""

from hypothesis import settings

# The first example of a test pays for imports and compiling, and a busy machine for more: time is no law here.
settings.register_profile("posology", deadline=None)
settings.load_profile("posology")
