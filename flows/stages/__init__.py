"""The stages of a retraining, each one plain function.

Three callers: the Prefect flow in production, ``dvc repro`` as commands, tests
directly. ``STAGES`` is their order; a test holds dvc.yaml and the flow to it.
"""

STAGES = (
    "snapshot",
    "validate",
    "featurize",
    "train-feedback",
    "train-status",
    "train-policy",
    "evaluate",
    "release",
)
