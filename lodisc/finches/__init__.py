"""Finches drawn by rules: photographs whose differences are known."""
