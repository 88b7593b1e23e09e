"""The mistakes that are tried on a wrong answer, each as a module that makes it: listed, shared, derived, and two at once."""

import ast
import copy
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain, combinations, count
from types import CodeType, ModuleType
from typing import Any, TypeGuard

from grader.diagnosis.edits import Edit, edits_of
from grader.diagnosis.kinds import BATCH, Kind, kinds_of
from grader.diagnosis.listed import Misconception, MisconceptionError, load
from grader.diagnosis.merging import merged
from grader.diagnosis.mistaken import NUMBERS, SHAPES, UNBATCHED
from grader.diagnosis.reference import reference
from grader.diagnosis.trees import changed
from grader.diagnosis.words import words

GUARD = r"(a guard of \S+ added .*), to .*"
PLACES = {
    "under the root": "under {} root{}",
    "in the logarithm": "in {} logarithm{}",
    "in the quotient": "in {} quotient{}",
}
"""Where a guard is added, in one place and in several."""
SIMPLE = 70
"""So many of the simplest derived mistakes are tried two at a time."""
TRIPLES = 12
"""Of so many listed ones, three at a time are tried."""
BESIDE_LISTED = 200
"""So many of them are tried beside a listed one."""


@dataclass(eq=False)
class Candidate:
    """A mistake that can be tried.

    Attributes:
        name: a phrase of a few words.
        explanation: a sentence or more to whoever made it.
        make: a fresh module with the mistake in it.
        known: the entry of the list, for a listed one.
        sure: whether it is made of listed ones alone.
        parts: of several mistakes at once, each alone.
        number: the number that it hangs on, if it is one that may be a size as well: two, or so many levels.
    """

    name: str
    explanation: str
    make: Callable[[], ModuleType]
    known: Misconception | None = None
    sure: bool = False
    parts: tuple["Candidate", ...] = ()
    number: float | None = None

    def module(self) -> ModuleType | None:
        """A fresh module; None if what the edit makes is no Python."""
        try:
            return self.make()
        except (SyntaxError, TypeError, ValueError, AttributeError, NameError):
            return None


@cache
def listed(stem: str, exercise: str) -> tuple[Candidate, ...]:
    """The exercise's own listed mistakes, then those of what it uses, made in it.

    A module's checks see little of what is within it, and would take another exercise's mistakes for its own.
    """
    own = [known for known in load(stem) if known.exercise == exercise]
    module = inspect.isclass(getattr(reference(stem).module(exercise), exercise))
    used = [] if module else reference(stem).reach(exercise)[1:]
    others = [known for name in used for known in load(stem) if known.exercise == name]
    found = []
    for known in (*own, *others):
        code = {known.exercise: _code(stem, known.definition())}
        found.append(Candidate(known.name, known.explanation, _maker(stem, exercise, code), known, sure=True))
    return (*found, *_over_n(stem, exercise, own))


def _over_n(stem: str, exercise: str, own: list[Misconception]) -> Iterator[Candidate]:
    """The exercise's own listed mistakes with deviations over n, where the reference takes them over n - 1: both are right."""
    if not any(map(_over_n_less_1, ast.walk(reference(stem).definitions[exercise]))):
        return
    for known in own:
        tree = reference(stem).parsed(known.definition())
        calls: list[ast.Call] = [node for node in ast.walk(tree) if _over_n_less_1(node)]
        if calls:
            for call in calls:
                call.keywords.append(ast.keyword("correction", ast.Constant(0)))
            code = {exercise: reference(stem).compiled(ast.fix_missing_locations(tree))}
            yield Candidate(known.name, known.explanation, _maker(stem, exercise, code), known, sure=True)


@cache
def over_n(stem: str, exercise: str) -> ModuleType | None:
    """The reference with deviations over n, where it takes them over n - 1; None if it takes none."""
    tree = copy.deepcopy(reference(stem).definitions[exercise])
    calls: list[ast.Call] = [node for node in ast.walk(tree) if _over_n_less_1(node)]
    for call in calls:
        call.keywords.append(ast.keyword("correction", ast.Constant(0)))
    code = reference(stem).compiled(ast.fix_missing_locations(tree))
    return reference(stem).module(exercise, {exercise: code}) if calls else None


def _over_n_less_1(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether it is a call of a tensor's deviation or variance with torch's own correction."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    told = {keyword.arg for keyword in node.keywords}
    return node.func.attr in {"std", "var"} and not told & {"correction", "unbiased"}


def _code(stem: str, text: str) -> CodeType:
    return reference(stem).compiled(reference(stem).parsed(text))


def _maker(stem: str, exercise: str, code: dict[str, CodeType]) -> Callable[[], ModuleType]:
    return lambda: reference(stem).module(exercise, code)


@cache
def shared(stem: str, exercise: str) -> tuple[Candidate, ...]:
    """The kinds of mistakes that every exercise shares."""
    return tuple(
        Candidate(kind.name, kind.explanation, _wrapping(stem, exercise, methods, kind.wrap))
        for methods, kind in _kinds(stem, exercise)
    )


@cache
def _kinds(stem: str, exercise: str) -> list[tuple[tuple[str, ...], Kind]]:
    """The shared kinds, each with the methods in which it is made: of a class in one, or in all of them."""
    target = getattr(reference(stem).module(exercise), exercise)
    if not inspect.isclass(target):
        return [(("",), kind) for kind in kinds_of(target)]
    methods = [name for name, part in vars(target).items() if inspect.isfunction(part) and not name.startswith("_")]
    by_method = [kinds_of(getattr(target, method)) for method in methods]
    found: list[tuple[tuple[str, ...], Kind]] = [
        ((method,), kind) for method, kinds in zip(methods, by_method, strict=True) for kind in kinds
    ]
    if len(methods) > 1:  # what somebody does in one method, they do in the others
        names = [{kind.name for kind in kinds} for kinds in by_method]
        found += [(tuple(methods), kind) for kind in by_method[0] if all(kind.name in others for others in names)]
    return found


def _wrapping(
    stem: str,
    exercise: str,
    methods: tuple[str, ...],
    wrap: Callable[[Any], Any],
    code: dict[str, CodeType] | None = None,
) -> Callable[[], ModuleType]:
    def make() -> ModuleType:
        module = reference(stem).module(exercise, code)
        target = getattr(module, exercise)
        for method in methods:
            if method:
                setattr(target, method, wrap(getattr(target, method)))
            else:
                setattr(module, exercise, wrap(target))
        return module

    return make


@lru_cache(maxsize=24)  # exercises, with thousands of edits each
def derived(stem: str, exercise: str) -> tuple[Candidate, ...]:
    """The mistakes derived from the syntax tree of the exercise, and of what it uses, the simplest first."""
    found = []
    for distance, name in enumerate(reference(stem).reach(exercise)):
        definition = reference(stem).definitions[name]
        edits = edits_of(definition)
        for edit in edits:
            found.append((edit.rank + 3 * bool(distance), _edited(stem, exercise, name, definition, (edit,))))
        alike: dict[tuple[str, str], list[Edit]] = {}
        for edit in edits:
            if guard := re.fullmatch(GUARD, edit.says):  # who guards one quotient or logarithm guards the others
                alike.setdefault((guard[1], GUARD), []).append(edit)
            if edit.says in SHAPES:  # how one value a sample is shaped, it is shaped everywhere
                alike.setdefault((edit.says, ""), []).append(edit)
            elif edit.index is None:
                alike.setdefault((edit.says, words(edit.parent)), []).append(edit)
        for (said, _), group in alike.items():  # what somebody takes for another thing, they take so wherever it stands
            several = [group, *([pair for pair in combinations(group, 2)] if 2 < len(group) < 6 else [])]
            for together in several:
                if len(together) > 1 and len({id(edit.parent) for edit in together}) == len(together):
                    candidate = _edited(stem, exercise, name, definition, tuple(together))
                    guarded = len({edit.says for edit in together}) > 1
                    candidate.name = _guarding(said, together) if guarded else together[0].says
                    candidate.explanation = explained()
                    found.append((together[0].rank + 1 + 3 * bool(distance), candidate))
    found.sort(key=lambda pair: pair[0])
    if exercise not in reference(stem).batched:
        for _, candidate in found:
            candidate.name = _without_a_batch(candidate.name)
    return tuple(candidate for _, candidate in found)


def _without_a_batch(says: str) -> str:
    """The same of a function that knows no batch."""
    for one, other in UNBATCHED.items():
        says = says.replace(one, other)
    return says


def _guarding(said: str, edits: Sequence[Edit]) -> str:
    """The same guard in several places."""
    every = "both" if len(edits) == 2 else "every"
    for one, other in PLACES.items():
        said = said.replace(one, other.format(every, "s" if every == "both" else ""))
    return said


def _edited(stem: str, exercise: str, name: str, definition: Any, edits: tuple[Edit, ...]) -> Candidate:
    def make() -> ModuleType:
        undo = [edit.do() for edit in edits]
        try:
            code = reference(stem).compiled(definition)
        finally:
            for back in reversed(undo):
                back()
        return reference(stem).module(exercise, {name: code})

    says = " and ".join(edit.says for edit in edits)
    numbers = [found for edit in edits if (found := _number_of(edit)) is not None]
    return Candidate(says, explained(len(edits)), make, number=numbers[0] if numbers else None)


def _number_of(edit: Edit) -> float | None:
    """The number that an edit hangs on."""
    if isinstance(edit.new, ast.Constant) and isinstance(edit.old, ast.Constant):
        new, old = edit.new.value, edit.old.value
        whole = isinstance(new, int) and not isinstance(new, bool) and isinstance(old, int)
        return float(new) if whole and abs(new) > 1 else None  # type: ignore[arg-type]
    return next(
        (number for words, number in NUMBERS.items() if edit.says.startswith(words) or edit.says.endswith(words)), None
    )


def explained(edits: int = 1) -> str:
    """What is said of a derived mistake beside its name."""
    change = "this one change" if edits == 1 else "these two changes"
    return (
        f"A right answer with {change} gives, to every check, the results that this one gives. "
        "Compare the equation with what is computed there."
    )


class _Lazy:
    """What a generator yields, made when it is asked for, and kept."""

    def __init__(self, source: Iterator[Candidate]) -> None:
        self._source, self._kept = source, list[Candidate]()

    def __iter__(self) -> Iterator[Candidate]:
        for index in count():
            if index == len(self._kept):
                following = next(self._source, None)
                if following is None:
                    return
                self._kept.append(following)
            yield self._kept[index]


@cache
def pairs(stem: str, exercise: str) -> _Lazy:
    """Two mistakes at once (three, if they are listed): listed ones, a listed and a shared one, a listed and a derived one, two derived ones."""
    if inspect.isclass(getattr(reference(stem).module(exercise), exercise)):  # each is tried on the checks: fewer
        return _Lazy(chain(_listed_pairs(stem, exercise), _shared_pairs(stem, exercise)))
    return _Lazy(
        chain(
            _listed_pairs(stem, exercise),
            _listed_triples(stem, exercise),
            _mixed_pairs(stem, exercise, 0, BESIDE_LISTED // 5),
            _shared_pairs(stem, exercise),
            _mixed_pairs(stem, exercise, BESIDE_LISTED // 5, BESIDE_LISTED),
            _derived_pairs(stem, exercise),
        )
    )


def _own(stem: str, exercise: str) -> list[Misconception]:
    return [known for known in load(stem) if known.exercise == exercise]


def _listed_pairs(stem: str, exercise: str) -> Iterator[Candidate]:
    for one, other in combinations(_own(stem, exercise), 2):
        for first, second in ((one, other), (other, one)):
            try:
                text = second.definition(first.definition())
            except MisconceptionError:  # the one has changed what the other looks for
                continue
            yield _together((one, other), stem, exercise, {exercise: text})
            break
        else:
            both = merged(one.plain(), one.definition(), other.definition())
            if both is not None:
                yield _together((one, other), stem, exercise, {exercise: both})
    for one, other in combinations(dict.fromkeys(c.known for c in listed(stem, exercise) if c.known), 2):
        if one.exercise != other.exercise:
            texts = {known.exercise: known.definition() for known in (one, other)}
            yield _together((one, other), stem, exercise, texts)


def _listed_triples(stem: str, exercise: str) -> Iterator[Candidate]:
    for three in combinations(_own(stem, exercise)[:TRIPLES], 3):
        text = None
        try:
            for known in three:
                text = known.definition(text)
        except MisconceptionError:
            continue
        assert text is not None
        yield _together(three, stem, exercise, {exercise: text})


def _together(several: tuple[Misconception, ...], stem: str, exercise: str, texts: dict[str, str]) -> Candidate:
    """Listed mistakes at once, of which the texts have all."""
    said = " ".join(known.explanation.strip() for known in several)
    names = ", ".join(known.name for known in several[:-1]) + f" and {several[-1].name}"
    parts = tuple(_alone(stem, exercise, known) for known in several)
    return Candidate(names, said, _from_texts(stem, exercise, texts), sure=True, parts=parts)


def _alone(stem: str, exercise: str, known: Misconception) -> Candidate:
    return next(candidate for candidate in listed(stem, exercise) if candidate.known is known)


def _from_texts(stem: str, exercise: str, texts: dict[str, str]) -> Callable[[], ModuleType]:
    return lambda: reference(stem).module(exercise, {name: _code(stem, text) for name, text in texts.items()})


def _shared_pairs(stem: str, exercise: str) -> Iterator[Candidate]:
    several = max((len(methods) for methods, _ in _kinds(stem, exercise)), default=0)
    kinds = [(*pair, alone) for pair, alone in zip(_kinds(stem, exercise), shared(stem, exercise), strict=True)]
    for known in _own(stem, exercise):
        code = {exercise: _code(stem, known.definition())}
        for methods, kind, alone in kinds:
            if len(methods) == several and (methods == ("",) or kind.explanation == BATCH):
                name, said = f"{known.name} and {kind.name}", f"{known.explanation.strip()} {kind.explanation}"
                make = _wrapping(stem, exercise, methods, kind.wrap, code)
                yield Candidate(name, said, make, parts=(_alone(stem, exercise, known), alone))


def _mixed_pairs(stem: str, exercise: str, first: int, last: int) -> Iterator[Candidate]:
    alone: dict[str, list[Candidate]] = {}
    for candidate in derived(stem, exercise):
        alone.setdefault(candidate.name, []).append(candidate)
    right = reference(stem).definitions[exercise]
    ours = {ast.dump(node) for node in ast.walk(right)}
    for known in _own(stem, exercise):
        definition = reference(stem).parsed(known.definition())
        theirs = {id(node) for node in ast.walk(changed(right, definition)) if ast.dump(node) not in ours}
        for edit in edits_of(definition)[first:last]:
            if id(edit.old) in theirs:
                continue  # of what the listed mistake has brought in nobody gets wrong a part
            candidate = _edited(stem, exercise, exercise, definition, (edit,))
            candidate.name = f"{known.name} and {candidate.name}"
            candidate.explanation = known.explanation.strip()
            candidate.parts = (_alone(stem, exercise, known), *alone.get(edit.says, ()))
            yield candidate


def _derived_pairs(stem: str, exercise: str) -> Iterator[Candidate]:
    for name in reference(stem).reach(exercise)[:2]:
        definition = reference(stem).definitions[name]
        simple = edits_of(definition)[:SIMPLE]
        inside = {edit: set(map(id, _walked(edit.old))) for edit in simple}
        for one, other in combinations(simple, 2):
            apart = id(one.parent) not in inside[other] and id(other.parent) not in inside[one]
            place = (one.parent, one.field, one.index) != (other.parent, other.field, other.index)
            lists = one.parent is other.parent and (isinstance(one.new, list) or isinstance(other.new, list))
            if apart and place and not lists:
                candidate = _edited(stem, exercise, name, definition, (one, other))
                candidate.parts = tuple(_edited(stem, exercise, name, definition, (edit,)) for edit in (one, other))
                yield candidate


def _walked(node: Any) -> list[Any]:
    return [
        part
        for root in (node if isinstance(node, list) else [node])
        if isinstance(root, ast.AST)
        for part in ast.walk(root)
    ]
