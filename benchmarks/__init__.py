"""Speed, each figure beside a peer or a physical limit measured in the same run: ``python -m benchmarks [NAME…]``."""
