"""What feedback decides by: the units of the district, and how they are measured."""

from dataclasses import dataclass

from services.feedback.domain.measuring.scoring import Scoring
from shared.contracts.units import UnitTree


@dataclass(frozen=True, slots=True)
class Standards:
    tree: UnitTree
    scoring: Scoring
