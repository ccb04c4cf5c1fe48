"""Learning from the photographs of the collection, and which encoder it uses."""

from lodisc.collection.collection import photo_id
from lodisc.collection.filling_terms import Choice
from lodisc.collection.learning import UsableEncoder
from lodisc.outcome import in_words
from lodisc.web import models
from lodisc.web.state.errors import NotFound
from lodisc.web.state.state import State
from lodisc.web.text import sentence


def describe_learning(state: State) -> models.LearningOut:
    """How the last training stands, and the encoders to choose from."""
    learning = state.learning
    run, how = learning.run, learning.state()
    return models.LearningOut(
        state=how,
        run=None if run is None or how == "none" else run.path.name,
        words=_in_words(state, how),
        minutes=learning.minutes(),
        encoders=[
            models.UsableEncoderOut(
                id=_id(entry),
                name=entry.name,
                is_current=entry.is_current,
                is_learnt=entry.is_learnt,
            )
            for entry in learning.encoders()
        ],
    )


def use(state: State, id: str) -> None:
    """Let the collection have the vectors of another encoder; labels stay.

    Raises `NotFound`, and `Busy` while photographs are read.
    """
    entry = next((entry for entry in state.learning.encoders() if _id(entry) == id), None)
    if entry is None:
        raise NotFound(f"There is no encoder {id}")
    state.learning.remember_embedding()
    state.fill(Choice(vectors=entry.embedding, run=None if entry.embedding else entry.run))


def _id(entry: UsableEncoder) -> str:
    return photo_id(str(entry.embedding or entry.run))


def _in_words(state: State, how: str) -> str:
    learning = state.learning
    run = learning.run
    if how == "finished" and run is not None:
        outcome = run.config.get("outcome")
        return in_words(outcome) if outcome else "It is finished."
    if how == "failed":
        return sentence(f"It did not begin: {learning.last_words() or 'nothing is known of it'}")
    if how == "stopped":
        words = learning.last_words() or "it was stopped"
        if "are not those that" in words:
            words = "there are other photographs now than when it began; begin anew"
        return sentence(words.split("; run the same command")[0])  # here it is a button
    return ""
