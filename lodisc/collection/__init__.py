"""A person's photographs with their vectors, labels and groups, in one folder."""
