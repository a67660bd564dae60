"""How units are measured, as a part of the district's set-up: how a file becomes a version in force."""

from collections.abc import Mapping
from datetime import date

import orjson

from services.feedback.domain.measuring.scoring import Scoring
from services.feedback.domain.measuring.scoring_file import read_scoring
from services.feedback.domain.standards import Standards
from shared.contracts.faults import Fault, SetupInvalid
from shared.runtime.district import UNITS, Kind, Setup
from shared.runtime.setup_parts import Before, File, Part, Prepared, changed

SCORING: Kind[Scoring] = Kind("scoring", Scoring.model_validate_json)


def prepare_scoring(file: File, before: Before, _today: date) -> Prepared:
    """Raises `SetupInvalid`."""
    if file.format != "yaml":
        raise SetupInvalid(
            [Fault("考核办法须为 YAML 文件", "how units are measured is read from YAML", file=file.name)]
        )
    after, old = read_scoring(file.text, file.name), before.of(SCORING)
    if old is not None and old.version == after.version and old != after:
        raise SetupInvalid(
            [
                Fault(
                    f"版本号 {after.version} 已用于另一内容；请改用新的版本号",
                    f"version {after.version} already has another content; give this one a new version",
                    "version",
                    file=file.name,
                )
            ]
        )
    differs = changed(_said(old), _said(after))
    return Prepared(after.version, after.model_dump_json().encode(), differs)


def _said(scoring: Scoring | None) -> dict[str, object]:
    return {} if scoring is None else dict(orjson.loads(scoring.model_dump_json()))


PARTS: Mapping[str, Part] = {SCORING.name: Part(SCORING, "scoring.yaml", prepare_scoring)}


def make_setup() -> Setup:
    """What feedback decides and measures by."""
    return Setup(UNITS, SCORING)


def standards_of(setup: Setup) -> Standards:
    """As they are in force. Raises `NothingInForce`."""
    return Standards(setup.current(UNITS), setup.current(SCORING))
