"""Reads `scoring.yaml`: every fault with its line."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.feedback.domain.measuring.scoring import Scoring
from shared.contracts.faults import Fault, SetupInvalid, in_words
from shared.contracts.yaml_lines import Placed, read_yaml


def read_scoring(text: str, file: str = "scoring.yaml") -> Scoring:
    """Raises `SetupInvalid` with every fault."""
    document = read_yaml(text, file)
    if not isinstance(document.value, dict):
        raise SetupInvalid(
            [Fault("应有 `version`", "expected a mapping with `version`", line=document.line, file=file)]
        )
    try:
        return Scoring.model_validate(document.plain)
    except ValidationError as error:
        raise SetupInvalid([_in_words(one, document, file) for one in error.errors(include_url=False)]) from None


def _in_words(found: ErrorDetails, document: Placed, file: str) -> Fault:
    place = document.line_at([step for step in found["loc"] if step != "[key]"])
    return in_words(found, "", place, file)
