"""Finds the conditions that hold among thousands at once: a set of rules is the bits of one number.

For each field: the rules that name one of the matter's values, and those that ask nothing of this field. What is in
the set of every field holds. A case costs a few dozen operations on numbers, whatever the count of rules.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import add, and_, or_

from services.router.domain.routing.conditions import Condition, Situation, Span, days_of, minutes_of
from shared.contracts.units import plain

FEW = 40
"""So many rules' words are looked for one by one before all are looked for at once."""


def bits(places: int) -> Iterator[int]:
    """The places in a set, the first rule first."""
    while places:
        lowest = places & -places
        yield lowest.bit_length() - 1
        places ^= lowest


class Index:
    """The conditions of one version of the rules, made once."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self.category = Named((one.category for one in conditions), len(conditions))
        self.region = Named((one.region for one in conditions), len(conditions))
        self.source = Named((one.source for one in conditions), len(conditions))
        self.appeal_type = Named((one.appeal_type for one in conditions), len(conditions))
        self.urgency = Named((one.urgency for one in conditions), len(conditions))
        self.weekdays = Named((one.weekdays for one in conditions), len(conditions))
        self.self_handled = Named((_asked(one.self_handled) for one in conditions), len(conditions))
        self.confidential = Named((_asked(one.confidential) for one in conditions), len(conditions))
        respondents = [tuple(map(plain, one.respondent)) for one in conditions]
        keywords = [tuple(map(str.casefold, one.keywords)) for one in conditions]
        not_keywords = [tuple(map(str.casefold, one.not_keywords)) for one in conditions]
        self.respondent, self.respondent_words = Named(respondents, len(conditions)), Words(respondents)
        self.keywords, self.keyword_words = Named(keywords, len(conditions)), Words(keywords)
        self.not_keywords, self.not_keyword_words = Named(not_keywords, len(conditions)), Words(not_keywords)
        self.hours = Timed(minutes_of(one.hours) for one in conditions)
        self.dates = Timed(days_of(one.dates) for one in conditions)

    def holding(self, found: Situation) -> Iterator[int]:
        """The places of the conditions that hold, in order.

        Mostly one of the first decides: their words are looked for one by one, and only after some of them those of
        all the others at once.
        """
        places = self._but_for_words(found)
        for tried, place in enumerate(bits(places)):
            if tried == FEW:
                yield from bits(self._with_words(found, places >> place << place))
                return
            if self.keyword_words.fit(place, found.text) and not self.not_keyword_words.any_in(place, found.text):
                yield place

    def _but_for_words(self, found: Situation) -> int:
        matter = found.matter
        places = self.category.any_of(found.categories)
        places &= self.region.any_of(found.regions)
        places &= self.source.any_of((matter.source,))
        places &= self.appeal_type.any_of((matter.appeal_type,))
        places &= self.urgency.any_of((matter.urgency,))
        places &= self.weekdays.any_of((found.at.isoweekday(),))
        places &= self.self_handled.any_of((found.self_handled,))
        places &= self.confidential.any_of((matter.confidential,))
        places &= self.hours.at(found.minute)
        places &= self.dates.at(found.at.toordinal())
        about = self.respondent.any_of(found.respondent_names)
        if places & ~about and found.respondent:
            about |= self.respondent_words.in_text(found.respondent)
        return places & about

    def _with_words(self, found: Situation, places: int) -> int:
        if places & ~self.keywords.without:
            places &= self.keywords.without | self.keyword_words.in_text(found.text)
        if places & ~self.not_keywords.without:
            places &= ~self.not_keyword_words.in_text(found.text)
        return places


def _asked(answer: bool | None) -> tuple[bool, ...]:
    return () if answer is None else (answer,)


class Named:
    """One field's values: `naming` has the rules that name each, `without` those that name none."""

    def __init__(self, values: Iterable[Sequence[Hashable]], count: int) -> None:
        naming: dict[Hashable, int] = {}
        self.without = (1 << count) - 1
        for place, named in enumerate(values):
            if named:
                self.without ^= 1 << place
            for value in set(named):
                naming[value] = naming.get(value, 0) | 1 << place
        self.naming: Mapping[Hashable, int] = naming

    def any_of(self, values: Iterable[Hashable]) -> int:
        """The rules that name one of the values, and those that name none at all."""
        places = self.without
        for value in values:
            places |= self.naming.get(value, 0)
        return places


class Words:
    """Which rules name a word that is in a text: one rule, or all of them by one look over the text.

    The latter goes by up to three signs in a row that a word begins with.
    """

    def __init__(self, words: Sequence[Sequence[str]]) -> None:
        self._of_rule = words
        self._by_beginning: dict[str, dict[str, int]] = {}
        for place, named in enumerate(words):
            for word in named:
                alike = self._by_beginning.setdefault(word[:3], {})
                alike[word] = alike.get(word, 0) | 1 << place

    def any_in(self, place: int, text: str) -> bool:
        return any(word in text for word in self._of_rule[place])

    def fit(self, place: int, text: str) -> bool:
        """Whether a rule that names words names one of this text."""
        return not self._of_rule[place] or self.any_in(place, text)

    def in_text(self, text: str) -> int:
        """The rules that name a word of this text."""
        places = 0
        for beginning in self._by_beginning.keys() & _pieces(text):
            for word, naming in self._by_beginning[beginning].items():
                if word == beginning or word in text:
                    places |= naming
        return places


def _pieces(text: str) -> set[str]:
    """Every one, two and three signs in a row."""
    pairs = list(map(add, text, text[1:]))
    return {*text, *pairs, *map(add, pairs, text[2:])}


class Timed:
    """Which rules hold at a point of time: the points where that changes, and the set from each of them on."""

    def __init__(self, spans: Iterable[Sequence[Span]]) -> None:
        begins: dict[int, int] = {}
        ends: dict[int, int] = {}
        always = 0
        for place, covered in enumerate(spans):
            always |= 0 if covered else 1 << place
            for begin, end in covered:
                begins[begin] = begins.get(begin, 0) | 1 << place
                ends[end] = ends.get(end, 0) | 1 << place
        self._points = sorted(begins.keys() | ends.keys())
        self._sets = [always]
        for point in self._points:
            self._sets.append(self._sets[-1] & ~ends.get(point, 0) | begins.get(point, 0))

    def at(self, point: int) -> int:
        return self._sets[bisect_right(self._points, point)]

    def throughout(self, spans: Sequence[Span]) -> int:
        """The rules that hold all through these spans; without any, those that hold always."""
        return reduce(and_, self._during(spans)) if spans else self._sets[0]

    def sometime(self, spans: Sequence[Span]) -> int:
        """The rules that hold at some point of these spans."""
        return reduce(or_, self._during(spans))

    def _during(self, spans: Sequence[Span]) -> Iterator[int]:
        for begin, end in spans:
            yield from self._sets[bisect_right(self._points, begin) : bisect_left(self._points, end) + 1]
