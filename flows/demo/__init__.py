"""``posology demo``: the whole loop on simulated patients whose truth is known."""

from flows.demo.loop import THERAPY, Demo, demo_home

__all__ = ["THERAPY", "Demo", "demo_home"]
