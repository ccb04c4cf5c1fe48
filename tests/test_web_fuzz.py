"""Random requests: every answer fits the description of the API, and none is a server error."""

from pathlib import Path
from typing import Any

import pytest
from web import by_key, client_of, make_collection

from lodisc.web.security import LOOPBACK

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
hypothesis = pytest.importorskip("hypothesis")
_checks = pytest.importorskip("schemathesis.specs.openapi.checks")
pytestmark = pytest.mark.slow

EXCLUDED = [_checks.negative_data_rejection, _checks.positive_data_acceptance]
EXAMPLES = 30  # of every call, right ones and wrong ones each
SETTINGS = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(hypothesis.HealthCheck),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, run: Path) -> tuple[Any, list[str]]:
    """The description of a server with labels and groups, and the ids of its photographs."""
    client = client_of(
        make_collection(tmp_path_factory.mktemp("fuzz"), run), hosts=(*LOOPBACK, "testserver")
    )
    ids = [photo.id for photo in by_key(client).values()]
    for number, label in enumerate(("finch", "wren")):
        client.post("/api/labels", json={"ids": ids[4 * number : 4 * number + 4], "label": label})
    client.post("/api/groups", json={"k": 2})
    return schemathesis.openapi.from_asgi("/api/openapi.json", client.app), ids


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_no_request_is_the_server_s_fault(served: tuple[Any, list[str]], mode: str) -> None:
    described, ids = served
    asked = 0

    def ask(case: Any, a: str | None, b: str | None) -> None:
        nonlocal asked
        given = {"id": a, "a": a, "b": b}
        case.path_parameters |= {
            name: given[name] or value for name, value in case.path_parameters.items()
        }
        answer = case.call()
        assert answer.status_code < 500, case.as_curl_command()
        case.validate_response(answer, excluded_checks=EXCLUDED)
        asked += 1

    some = hypothesis.strategies.sampled_from([None, *ids])
    for found in described.get_all_operations():
        cases = found.ok().as_strategy(generation_mode=schemathesis.GenerationMode[mode])
        try:
            hypothesis.settings(max_examples=EXAMPLES, **SETTINGS)(
                hypothesis.given(cases, some, some)(ask)
            )()
        except hypothesis.errors.Unsatisfiable:
            assert mode == "NEGATIVE", "only a call without parameters can't be wrong"
    assert asked > 10 * EXAMPLES
