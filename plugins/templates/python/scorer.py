"""my-plugin: an xhost scorer that asks whether an answer says the target.

`answer` and `target` are given by the host (`targets`, `sample` and `ask` too, if they are named here); every other
parameter is one that an experiment may set, and its annotation and default become the schema that it is checked against.
Imports stand at the top: there is no file to import from once the plugin runs.
"""

from __future__ import annotations


def score(answer: str, targets: list[str], ignore_case: bool = True) -> bool:
    """Whether the answer says one of the targets."""

    def cased(text: str) -> str:
        return text.casefold() if ignore_case else text

    return any(cased(target) in cased(answer) for target in targets)
