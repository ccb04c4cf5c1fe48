"""Learning from the photographs of the collection."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from lodisc.collection.learning import Busy
from lodisc.web import models
from lodisc.web.errors import refusing
from lodisc.web.parameters import Opened
from lodisc.web.state.learning import describe_learning, use

router = APIRouter(prefix="/learning", tags=["learning"])


@router.get("")
def learning(opened: Opened) -> models.LearningOut:
    """The training that was started last, and the encoders to choose from."""
    return describe_learning(opened)


@router.post("")
def learn(opened: Opened, request: models.LearnIn) -> models.LearningOut:
    """Learn from the photographs, or go on with what was stopped. It outlives this server."""
    with refusing():
        try:
            opened.learning.start(anew=request.anew)
        except Busy as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from None
    return describe_learning(opened)


@router.post("/stop")
def stop(opened: Opened) -> models.LearningOut:
    """Stop the training; it writes a checkpoint first, so that it can go on."""
    opened.learning.stop()
    return describe_learning(opened)


@router.post("/use")
def use_(opened: Opened, request: models.UseIn) -> models.LearningOut:
    """Let the collection use another encoder. Labels stay; photographs are embedded if need be."""
    try:
        use(opened, request.id)
    except Busy as error:
        raise HTTPException(HTTPStatus.CONFLICT, str(error)) from None
    return describe_learning(opened)
