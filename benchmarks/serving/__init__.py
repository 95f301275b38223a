"""The service under load, beside a bare BentoML endpoint and ``mlflow models serve``."""
