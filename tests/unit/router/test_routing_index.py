"""The index over thousands of rules says what looking at each rule in turn says."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.conditions import situation_of
from services.router.domain.matching import Words, bits
from services.router.domain.routing import NO_RULE, decide, handlers_by, route
from services.router.domain.rules import Rules
from shared.contracts.facts import Matter
from tests.unit.router.rulebook import TREE, WORDS, any_matters, any_moment, any_rules, some


@given(any_rules(), any_matters(), st.booleans(), any_moment())
def test_the_first_rule_that_holds_decides(rules: Rules, matter: Matter, self_handled: bool, now: datetime) -> None:
    found = situation_of(matter, self_handled, TREE, now)
    holding = [rule for rule in rules.rules if rule.when.holds(found)]
    assert [rules.rules[place] for place in bits(rules.index.holding(found))] == holding
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


@given(
    st.lists(some((*WORDS, "梯", "夜"), 3), max_size=60),
    st.text("爆管夜间噪声电梯Gas ", max_size=12),
    st.integers(0, 2**60),
)
def test_words_are_found_one_by_one_and_at_once(words: list[tuple[str, ...]], text: str, asked: int) -> None:
    among = asked & ((1 << len(words)) - 1)
    found = set(bits(Words(words).in_text(text, among)))
    assert found == {place for place in bits(among) if any(word in text for word in words[place])}
