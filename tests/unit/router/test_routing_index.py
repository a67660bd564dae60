"""The index over thousands of rules says what looking at each rule in turn says."""

from datetime import datetime
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.routing import matching
from services.router.domain.routing.conditions import situation_of
from services.router.domain.routing.matching import Words, bits
from services.router.domain.routing.route import NO_RULE, decide, handlers_by, route
from services.router.domain.routing.rules import Rules
from shared.contracts.facts import Matter
from tests.unit.router.rulebook import TREE, WORDS, any_matters, any_moment, any_rules, some


@given(any_rules(), any_matters(), st.booleans(), any_moment())
def test_the_first_rule_that_holds_decides(rules: Rules, matter: Matter, self_handled: bool, now: datetime) -> None:
    found = situation_of(matter, self_handled, TREE, now)
    holding = [rule for rule in rules.rules if rule.when.holds(found)]
    assert [rules.rules[place] for place in rules.index.holding(found)] == holding
    routed = route(matter, self_handled, rules, TREE, now)
    assert routed == decide(holding, matter, rules.version, TREE)
    first = next((rule.id for rule in holding if handlers_by(rule.then, matter, TREE) is not None), NO_RULE)
    assert routed.reason.rule == first


@given(any_rules(), any_matters(), any_moment())
def test_whoever_handles_is_there_and_is_named_once(rules: Rules, matter: Matter, now: datetime) -> None:
    routed = route(matter, False, rules, TREE, now)
    everybody = (*routed.units, *routed.co_handlers)
    assert len(set(everybody)) == len(everybody)
    assert all(code in TREE for code in everybody)
    assert routed.units or not routed.co_handlers


@given(st.lists(some((*WORDS, "梯", "夜"), 3), max_size=6), st.text("爆管夜间噪声电梯Gas ", max_size=12))
def test_words_are_found_one_by_one_and_at_once(words: list[tuple[str, ...]], text: str) -> None:
    found = Words(words)
    named = {place for place, ours in enumerate(words) if any(word in text for word in ours)}
    assert set(bits(found.in_text(text))) == named
    assert {place for place in range(len(words)) if found.any_in(place, text)} == named


@given(any_rules(40), any_matters(), any_moment(), st.sampled_from((0, 1, 3)))
def test_it_is_the_same_however_many_are_tried_one_by_one(
    rules: Rules, matter: Matter, now: datetime, few: int
) -> None:
    found = situation_of(matter, False, TREE, now)
    with patch.object(matching, "FEW", few):
        assert list(rules.index.holding(found)) == [
            place for place, rule in enumerate(rules.rules) if rule.when.holds(found)
        ]
