"""The contract of the exercises: their names and signatures, on which other people's implementations rely.

`make contract` (`python -m tests.contract`) adds what is new to tests/contract.toml. It changes no line and takes none away: whoever means to
break the contract does that by hand, and tells learners so in CHANGELOG.md.
"""

import importlib
import inspect
import json
import tomllib

from grader.course import ROOT, Section, sections

FILE = ROOT / "tests" / "contract.toml"


def signatures(section: Section, module: object) -> dict[str, str]:
    """The signature of each exercise in a module, and of each public method of those that are classes, by dotted name."""
    found = {}
    for name in section.exercises:
        target = getattr(module, name)
        found[name] = bare(target)
        methods = vars(target).items() if inspect.isclass(target) else ()
        found |= {f"{name}.{key}": bare(m) for key, m in methods if inspect.isfunction(m) and not key.startswith("_")}
    return found


def bare(target) -> str:
    """The signature without annotations."""
    signature = inspect.signature(target)
    names = [name.replace(annotation=inspect.Parameter.empty) for name in signature.parameters.values()]
    return str(signature.replace(parameters=names, return_annotation=inspect.Signature.empty))


def promised() -> dict[str, dict[str, str]]:
    """What the contract says, by section and dotted name."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def main() -> None:
    """Add what the solutions define and the contract lacks, in the order of the alphabet."""
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    before = promised()
    for stem, section in sections().items():
        own = signatures(section, importlib.import_module(f"solutions.{stem}"))
        own |= before.get(stem, {})
        lines += [
            "",
            f"[{stem}]",
            *(f"{_key(name)} = {json.dumps(own[name], ensure_ascii=False)}" for name in sorted(own, key=str.lower)),
        ]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name


if __name__ == "__main__":
    main()
