"""The pictures that move: what a script draws from numbers that the reference has made, and what is there without scripts."""


def page() -> str:
    return "# Pictures that move\n"


def figure(exercise: str, above: int) -> str:
    return ""
