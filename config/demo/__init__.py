"""DEMO ONLY: a landing page, an upstream to proxy to, and tokens for whoever asks."""

from .plugin import Demo

__all__ = ["Demo"]
