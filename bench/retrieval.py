"""Time and peak memory of the retrieval protocol.

`python bench/retrieval.py [PHOTOGRAPHS] [FEATURES] [CLASSES]`
"""

import resource
import sys
import time

import torch

from lodisc.evaluation.retrieval import retrieval_scores


def main(photographs: int = 60_000, features: int = 384, classes: int = 500) -> None:
    torch.manual_seed(0)
    labels = torch.arange(photographs) % classes
    vectors = torch.randn(classes, features)[labels] + 3 * torch.randn(photographs, features)
    started_at = time.perf_counter()
    scores = retrieval_scores(vectors, labels)
    seconds = time.perf_counter() - started_at
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{photographs:,} x {features}, {classes} classes, {torch.get_num_threads()} threads: "
        f"{seconds:.1f} s, peak {peak:.2f} GB"
    )
    print(f"mAP {100 * scores[:, 2].mean():.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
