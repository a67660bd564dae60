"""口径: by what a scorecard was reckoned, in words, with what it takes to reckon it again."""

from decimal import Decimal

from services.feedback.exports.issued import Issued
from services.feedback.exports.speech import Speech
from shared.contracts.vocabulary import Measure


def method(issued: Issued, say: Speech) -> list[tuple[str, str]]:
    """Item and what is said of it."""
    card, by = issued.card, issued.card.method
    weights = {
        **{name: _percent(weight) for name, weight in by.composite},
        "basically": by.basically_satisfied,
        "of_composite": _percent(by.score.composite),
        "of_handle": _percent(by.score.handle),
        "of_rating": _percent(by.score.rating),
    }
    state = say("state.published", at=say.full(issued.published_at)) if issued.published_at else say("state.draft")
    corrects = [(say("method.corrects"), say("number", id=issued.corrects))] if issued.corrects is not None else []
    return [
        (say("method.period"), say("method.period.said", name=card.period, first=card.first, last=card.last)),
        (say("method.edition"), say("list.join").join([say("edition", n=card.edition), state])),
        *corrects,
        *((say.word(measure), say(f"formula.{measure.value}", **weights)) for measure in Measure),
        (say("method.counted"), say("method.counted.said")),
        (say("method.sample"), say("method.sample.said", n=by.minimum_sample)),
        (say("method.excluded"), say("method.excluded.said")),
        (say("method.none"), say("method.none.said")),
        (
            say("method.former"),
            say("none") if card.former is None else f"{card.former.period} {card.former.content_hash}",
        ),
        (say("method.scoring"), card.inputs.scoring),
        (say("method.tree"), card.inputs.tree),
        (say("method.rules"), card.inputs.method),
        (say("method.positions"), _positions(issued, say)),
        (say("method.hash"), issued.hash),
        (say("method.verify"), say("method.verify.said", command=f"chuishao scorecard verify {issued.id}")),
    ]


def _positions(issued: Issued, say: Speech) -> str:
    """How far each log was read; every shard's position is in the scorecard's own content."""
    return say("list.join").join(
        say("method.position", log=log, shards=len(shards), last=sum(shards.values()))
        for log, shards in sorted(issued.card.inputs.positions.items())
    )


def _percent(weight: Decimal) -> str:
    return f"{(weight * 100).normalize():f}%"
