"""A person's photographs as vectors: embedded shard by shard into Parquet."""
