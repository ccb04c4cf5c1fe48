"""Every format and mode that Pillow writes gives the right pixels, or a reason, in bounded time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HOSTILE = Path(__file__).parent / "hostile"


@pytest.mark.slow
def test_every_file_of_the_corpus_is_right_or_has_a_reason(tmp_path: Path) -> None:
    sys.path.insert(0, str(HOSTILE))
    try:
        from corpus import write
    finally:
        sys.path.remove(str(HOSTILE))
    expected = write(tmp_path / "corpus")
    script = [sys.executable, str(HOSTILE / "decode_all.py"), str(tmp_path / "corpus")]
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    outcomes = json.loads(ran.stdout)
    assert len(outcomes) > 1000
    died = {name for name, outcome in outcomes.items() if isinstance(outcome, dict)}
    assert not died, "crashed, hung, or took more than 5 CPU seconds or 1 GB"
    reasons = {outcome for outcome in outcomes.values() if isinstance(outcome, str)}
    assert all(reason and len(reason) < 80 and "\n" not in reason for reason in reasons)
    for name, pixels in expected.items():
        if pixels is None:
            assert isinstance(outcomes[name], str) or name.startswith("jpeg2000"), name
        else:
            assert not isinstance(outcomes[name], str), (name, outcomes[name])
            assert np.abs(np.array(outcomes[name]) - pixels).mean() < 6, name
