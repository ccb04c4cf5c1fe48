"""Photographs to vectors, shard by shard, into Parquet."""
