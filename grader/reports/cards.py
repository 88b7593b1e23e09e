"""What came of exercises, as cards: in one submission those that came out alike are one, and what a class shares is told once."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from grader.checks.sentences import listed
from grader.intake.visible import one_line
from grader.judging.results import Graded, Row
from grader.reports.tally import LOOKS, columns

MESSAGE_CHARACTERS = 4000
"""Of one message, on the page; the JSON has it whole."""
CHECKS_LISTED = 12
SENTENCE = 120
"""Characters of what stands for a topic that has no name."""

_LABELS = ["check", "called", "came back", "expected", "because", "raised", "at", "grader", "note", "printed", *LOOKS]
_LABELS += ["late", "by hand"]
_FACT = re.compile("|".join(f"(?:{label:<10} )" for label in _LABELS))
"""How a line of a message begins that says what it is."""
_LAST = {"blocked": 1, "unfinished": 2, "pass": 3}
"""Verdicts that nobody need talk about, and that stand behind the others."""

_OWN = {"at", "note", "printed", "late", "by hand"}
"""Facts that are each submission's own, whatever else two have in common."""

Key = tuple[str, tuple[tuple[str, str], ...], str | None]


@dataclass(frozen=True)
class Card:
    """Exercises of one submission that came out alike: the same verdict for the same reason."""

    rows: list[Row]

    @property
    def first(self) -> Row:
        return self.rows[0]

    @cached_property
    def key(self) -> Key:
        """Verdict, what the message says whoever got it, and known mistake: cards of which these are equal tell the same."""
        return self.first["verdict"], tuple(self.common), self.first["misconception"]

    @property
    def common(self) -> list[tuple[str, str]]:
        """Of the facts, those that another submission may have too."""
        return [fact for fact in self.facts if fact[0] not in _OWN]

    @property
    def own(self) -> list[tuple[str, str]]:
        """Of the facts, those that are about this submission: a line of it, what it printed."""
        return [fact for fact in self.facts if fact[0] in _OWN]

    @cached_property
    def facts(self) -> list[tuple[str, str]]:
        """What the message says, as (label, text); "" labels what has none."""
        facts: list[tuple[str, str]] = []
        for line in self._message.split("\n"):
            if line.startswith(self._lesson):
                facts.append(("", line.removeprefix(self._lesson)))
            elif label := _FACT.match(line):
                facts.append((label[0].strip(), line[label.end() :]))
            elif facts:
                facts[-1] = (facts[-1][0], f"{facts[-1][1]}\n{line}")
            elif line:
                facts.append(("", line))
        return facts

    @property
    def _message(self) -> str:
        message = self.first["message"].rstrip()
        left = len(message) - MESSAGE_CHARACTERS
        return message if left <= 0 else f"{message[:MESSAGE_CHARACTERS]}\n… ({left:,} more characters are in the JSON)"

    @property
    def _lesson(self) -> str:
        """How the explanation of the known mistake begins in a message; its name has a line of its own."""
        return f"looks like {self.first['misconception']}. "

    @property
    def failed(self) -> list[tuple[str, str]]:
        """The checks that did not pass, as (sentence, verdict); none where the verdict alone tells it."""
        if len(self.rows) > 1 or self.first["verdict"] in ("pass", "unfinished", "blocked", "not-gradable"):
            return []
        start = f"test_{self.first['exercise']}_"
        failed = [check for check in self.first["checks"] if check["verdict"] != "pass"][:CHECKS_LISTED]
        return [(check["name"].removeprefix(start).replace("_", " "), check["verdict"]) for check in failed]

    @property
    def holds(self) -> str:
        """What the checks say that passed beside those that failed; "" where the results do not tell."""
        return listed(self.first.get("holds", []))

    @property
    def passed(self) -> int:
        return sum(check["verdict"] == "pass" for check in self.first["checks"])


def cards(graded: Graded) -> list[Card]:
    """The submission's exercises, grouped by what came of them: first what went wrong, then what passed."""
    groups: dict[tuple[str, str, str | None], list[Row]] = {}
    for row in graded["exercises"]:
        groups.setdefault((row["verdict"], row["message"].strip(), row["misconception"]), []).append(row)
    return sorted(map(Card, groups.values()), key=lambda card: _LAST.get(card.first["verdict"], 0))


@dataclass(frozen=True)
class Shared:
    """A message that two submissions or more got.

    Attributes:
        anchor: where it stands on the page.
        card: the first of the cards that tell it.
        by: for each of its exercises, the (submission, card) that have it, as indices.
        failed_alike: whether all of them failed the same checks.
    """

    anchor: str
    card: Card
    by: dict[str, list[tuple[int, int]]]
    failed_alike: bool

    @property
    def who(self) -> list[tuple[list[str], list[tuple[int, int]]]]:
        """The exercises that came to the same people, and those people."""
        together: dict[tuple[tuple[int, int], ...], list[str]] = {}
        for exercise, people in self.by.items():
            together.setdefault(tuple(people), []).append(exercise)
        return [(exercises, list(people)) for people, exercises in together.items()]


@dataclass(frozen=True)
class Topic:
    """What a class has in common: a known mistake in an exercise, or a message.

    Attributes:
        name: the mistake's name, or a sentence of the message.
        exercises: where it was met.
        by: the (submission, card) that have it, as indices.
        told: the messages that stand here, each once.
        idle: whether there is nothing in it to talk about.
    """

    name: str
    exercises: list[str]
    by: list[tuple[int, int]]
    told: list[Shared]
    idle: bool = False


@dataclass(frozen=True)
class Gathered:
    """A class's cards, and what they share.

    Attributes:
        cards: each submission's.
        shared: the messages that several have, by key.
        topics: what two submissions or more have in common, the most frequent first.
        single: the known mistakes that one submission alone has.
        homes: for each submission, the index of the one under which it is told.
    """

    cards: list[list[Card]]
    shared: dict[Key, Shared]
    topics: list[Topic]
    single: list[Topic]
    homes: Sequence[int]

    @cached_property
    def _places(self) -> list[dict[tuple[str, str], str]]:
        return [
            {
                (row["section"], row["exercise"]): self.shared[card.key].anchor
                if card.key in self.shared
                else f"s{self.homes[index]}o{number}"
                for number, card in enumerate(found)
                for row in card.rows
            }
            for index, found in enumerate(self.cards)
        ]

    def anchor(self, index: int, row: Row) -> str:
        """Where on the page it stands what came of this row of the submission."""
        return self._places[index][row["section"], row["exercise"]]


def gather(submissions: Sequence[Graded], homes: Sequence[int]) -> Gathered:
    """Read a class's results for what its submissions have in common; `homes` says under which each is told."""
    found = [cards(graded) for graded in submissions]
    alike: dict[Key, list[tuple[int, int]]] = {}
    named: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for index, own in enumerate(found):
        for number, card in enumerate(own):
            if card.first["verdict"] != "pass" and card.key[1]:
                alike.setdefault(card.key, []).append((index, number))
            if card.key[2]:
                for row in card.rows:
                    named.setdefault((row["section"], row["exercise"], card.key[2]), []).append((index, number))
    several = [(key, who) for key, who in alike.items() if len(_each_once(who)) > 1]
    shared = {key: _shared(f"m{number}", found, who) for number, (key, who) in enumerate(several)}
    place = {(column.section, column.exercise): rank for rank, column in enumerate(columns(submissions))}
    topics: list[Topic] = []
    single: list[Topic] = []
    for (stem, exercise, name), who in sorted(named.items(), key=lambda item: (-len(item[1]), place[item[0][:2]])):
        keys = dict.fromkeys(found[index][number].key for index, number in who)
        told = [shared[key] for key in keys if key in shared and _home(shared[key]) == (stem, exercise)]
        (topics if len(who) > 1 else single).append(Topic(name, [exercise], who, told))
    for key, one in shared.items():
        if not key[2]:
            who = _each_once(place for people in one.by.values() for place in people)
            topics.append(Topic(_sentence(one), list(one.by), who, [one], key[0] in _LAST))
    topics.sort(key=lambda topic: (topic.idle, -len(topic.by)))
    return Gathered(found, shared, topics, single, homes)


def _each_once(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of each submission the first: in one, what is the same but for a note of its own has two cards."""
    first: dict[int, tuple[int, int]] = {}
    for place in places:
        first.setdefault(place[0], place)
    return list(first.values())


def _shared(anchor: str, found: list[list[Card]], who: Iterable[tuple[int, int]]) -> Shared:
    by: dict[str, list[tuple[int, int]]] = {}
    failed = Counter[tuple]()
    for index, number in who:
        card = found[index][number]
        failed[tuple(card.failed), card.passed] += 1
        for row in card.rows:
            by.setdefault(row["exercise"], []).append((index, number))
    index, number = next(iter(who))
    return Shared(anchor, found[index][number], by, len(failed) == 1)


def _home(shared: Shared) -> tuple[str, str]:
    """Of the exercises that a message came to, the one under which it is told."""
    return shared.card.first["section"], shared.card.first["exercise"]


def _sentence(shared: Shared) -> str:
    """What stands for a message that has no name: the check that failed, or how the message begins."""
    if shared.card.failed and shared.failed_alike:
        return one_line(shared.card.failed[0][0], SENTENCE)
    said = dict(shared.card.common[::-1])
    text = next((said[label] for label in ("check", "raised", "because", "") if said.get(label)), "")
    label, other = shared.card.common[0]
    return one_line((text or f"{label} {other}").partition("\n")[0], SENTENCE) or shared.card.first["verdict"]
