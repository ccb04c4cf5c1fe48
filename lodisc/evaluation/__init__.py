"""Measure frozen features: linear probe, neighbours, retrieval, clustering, few labels.

Every metric comes with an interval.
"""
