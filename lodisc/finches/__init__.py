"""Finches drawn by rules: pictures whose differences are known."""
