"""Measure frozen features: linear probe, neighbours, retrieval, clustering, few labels, each with its interval."""
