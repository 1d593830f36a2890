"""Plugins for xhost from one Python function: a scorer from `score`, a prompt builder from `prompt`.

`xhost plugin build` puts this module beside the author's file. It is plain Python: everything but `as_scorer` and
`as_prompt_builder`, which meet the component's own types, works in any interpreter, so a plugin's tests need no host.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Callable, Literal, Optional, Union

__all__ = ["Answer", "BadInput", "BadParams", "Measure", "Sample", "Unsupported", "schema_of"]


@dataclass
class Sample:
    """One row of the dataset."""

    id: str
    input: str
    targets: list[str] = field(default_factory=list)
    """The answers that count as right; empty where the dataset has none."""
    fields: dict[str, Any] = field(default_factory=dict)
    """The whole row."""

    @property
    def target(self) -> str:
        """The first target."""
        if not self.targets:
            raise BadInput("the sample has no target")
        return self.targets[0]


@dataclass
class Measure:
    """A verdict with what a person may want to know about it."""

    value: Union[bool, int, float, str]
    extracted: Optional[str] = None
    """What was read as the answer."""
    explanation: Optional[str] = None
    extra: Optional[dict[str, Any]] = None


@dataclass
class Answer:
    """From `prompt`: nothing more is asked, and this text is the trial's answer."""

    text: str


class BadParams(Exception):
    """The experiment's parameters make no sense: the run stops."""


class BadInput(Exception):
    """This sample or this answer cannot be dealt with: the trial fails."""


class Unsupported(Exception):
    """The plugin does not do that: the trial fails."""


Ask = Callable[[str, str], str]
"""`ask("judge", "question")` is the answer of a model that the experiment declares under `models`."""

GIVEN_TO_SCORE = ("answer", "target", "targets", "sample", "ask")
GIVEN_TO_PROMPT = ("sample", "answers")


def schema_of(function: Callable[..., Any], given: tuple[str, ...]) -> dict[str, Any]:
    """The JSON Schema of a function's own parameters: all but those in `given`, by annotations and defaults."""
    hints = typing.get_type_hints(function)
    properties: dict[str, Any] = {}
    required: list[str] = []
    open_ended = False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            open_ended = True
        if name in given or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"`{name}` is positional only, and parameters are given by name")
        schema = _schema(hints[name]) if name in hints else {}
        if parameter.default is parameter.empty:
            required.append(name)
        else:
            schema = schema or _schema_of_value(parameter.default)
            schema["default"] = parameter.default
        properties[name] = schema
    schema = {"type": "object", "properties": properties, "additionalProperties": open_ended}
    if inspect.getdoc(function):
        schema["description"] = inspect.getdoc(function)
    return schema | {"required": required} if required else schema


_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", dict: "object", list: "array"}


def _schema(hint: Any) -> dict[str, Any]:
    """The schema of an annotation. One that says nothing about JSON allows anything."""
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(argument) for argument in arguments]}
    if origin in (list, tuple, set):
        inner = [_schema(argument) for argument in arguments if argument is not Ellipsis]
        return {"type": "array", "items": inner[0]} if len(inner) == 1 else {"type": "array"}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    return {}


def _schema_of_value(value: Any) -> dict[str, Any]:
    """Where there is no annotation, a default says what kind of value is meant. `None` says nothing."""
    if value is None:
        return {}
    # A whole number is often meant as any: `threshold=1`.
    return {"type": "number"} if isinstance(value, int) and not isinstance(value, bool) else _schema(type(value))


class _NeedsAnswer(BaseException):
    """Leaves the author's function while an answer is missing. No `except Exception` of theirs may catch it."""

    def __init__(self, model: str, question: str) -> None:
        super().__init__()
        self.model, self.question = model, question


def _read(params: str, function: Callable[..., Any], given: tuple[str, ...]) -> dict[str, Any]:
    """The parameters as arguments. The host has checked them against the schema; this is for who calls without one."""
    values: dict[str, Any] = json.loads(params)
    parameters = inspect.signature(function).parameters
    for name in values:
        open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        if name in given or (name not in parameters and not open_ended):
            raise BadParams(f"there is no param `{name}`")
    for name, parameter in parameters.items():
        plain = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if plain and name not in given and name not in values and parameter.default is parameter.empty:
            raise BadParams(f"the param `{name}` is missing")
    return values


def _takes(function: Callable[..., Any], name: str) -> bool:
    return name in inspect.signature(function).parameters


def _measures(result: Any) -> dict[str, Measure]:
    """What `score` returned, as measures by name. A single value is `correct` if it is a bool, else `score`."""
    if isinstance(result, dict):
        if not result:
            raise TypeError("`score` returned no measure")
        return {str(name): _measure(value) for name, value in result.items()}
    measure = _measure(result)
    return {"correct" if isinstance(measure.value, bool) else "score": measure}


def _measure(value: Any) -> Measure:
    measure = value if isinstance(value, Measure) else Measure(value)
    if not isinstance(measure.value, (bool, int, float, str)):
        found = type(measure.value).__name__
        raise TypeError(f"`score` must return a bool, a number, a str, a Measure, or a dict of those; it returned {found}")
    return measure


def as_scorer(function: Callable[..., Any]) -> type:
    """The class that a component exports as its scorer."""
    import sys

    from componentize_py_types import Err
    from wit_world.exports import scorer
    from wit_world.imports import types as wit

    schema = json.dumps(schema_of(function, GIVEN_TO_SCORE))

    def value(measure: Measure) -> scorer.Value:
        if isinstance(measure.value, bool):
            return scorer.Value_Boolean(measure.value)
        if isinstance(measure.value, str):
            return scorer.Value_Label(measure.value)
        return scorer.Value_Number(float(measure.value))

    def score(name: str, measure: Measure) -> scorer.Score:
        extra = None if measure.extra is None else json.dumps(measure.extra)
        return scorer.Score(name, value(measure), measure.extracted, measure.explanation, extra)

    def judge(params: str, subject: scorer.Subject, asked: list[wit.Exchange]) -> scorer.Step:
        arguments = _read(params, function, GIVEN_TO_SCORE)
        sample = _sample(subject.sample)
        answers = iter([_text(exchange) for exchange in asked])

        def ask(model: str, question: str) -> str:
            for text in answers:
                return text
            raise _NeedsAnswer(model, question)

        given: dict[str, Callable[[], Any]] = {
            "answer": lambda: subject.answer,
            "target": lambda: sample.target,
            "targets": lambda: sample.targets,
            "sample": lambda: sample,
            "ask": lambda: ask,
        }
        for name, make in given.items():
            if _takes(function, name):
                arguments[name] = make()
        try:
            return scorer.Step_Done([score(*measure) for measure in _measures(function(**arguments)).items()])
        except _NeedsAnswer as missing:
            return scorer.Step_Ask([scorer.Question(missing.model, _prompt(missing.question))])

    class Scorer:
        def schema(self) -> str:
            return schema

        def judge(self, params: str, subject: scorer.Subject, asked: list[wit.Exchange]) -> scorer.Step:
            # `print` is how one looks into Python; what is printed is shown by `xhost plugin test`.
            sys.stdout = sys.stderr
            return _refusing(lambda: judge(params, subject, asked), Err, wit)

    return Scorer


def as_prompt_builder(function: Callable[..., Any]) -> type:
    """The class that a component exports as its prompt builder."""
    import sys

    from componentize_py_types import Err
    from wit_world.exports import prompt_builder
    from wit_world.imports import types as wit

    schema = json.dumps(schema_of(function, GIVEN_TO_PROMPT))

    def next_step(params: str, sample: wit.Sample, asked: list[wit.Exchange]) -> prompt_builder.Step:
        arguments = _read(params, function, GIVEN_TO_PROMPT)
        if asked and not _takes(function, "answers"):
            return prompt_builder.Step_Done(None)
        if _takes(function, "answers"):
            arguments["answers"] = [_text(exchange) for exchange in asked]
        if _takes(function, "sample"):
            arguments["sample"] = _sample(sample)
        result = function(**arguments)
        if result is None:
            return prompt_builder.Step_Done(None)
        if isinstance(result, Answer):
            return prompt_builder.Step_Done(result.text)
        return prompt_builder.Step_Ask([_prompt(result)])

    class PromptBuilder:
        def schema(self) -> str:
            return schema

        def next(self, params: str, sample: wit.Sample, asked: list[wit.Exchange]) -> prompt_builder.Step:
            sys.stdout = sys.stderr
            return _refusing(lambda: next_step(params, sample, asked), Err, wit)

    return PromptBuilder


def _refusing(step: Callable[[], Any], err: Any, wit: Any) -> Any:
    """An author's refusal becomes the contract's; any other exception stays an accident, with its traceback."""
    try:
        return step()
    except BadParams as error:
        raise err(wit.Refusal_BadParams(str(error)))
    except BadInput as error:
        raise err(wit.Refusal_BadInput(str(error)))
    except Unsupported as error:
        raise err(wit.Refusal_Unsupported(str(error)))


def _sample(sample: Any) -> Sample:
    return Sample(sample.id, sample.input, list(sample.targets), json.loads(sample.fields))


def _text(exchange: Any) -> str:
    """What the model said: neither reasoning nor tool calls."""
    from wit_world.imports.types import Part_Text

    return "".join(part.value for part in exchange.completion.parts if isinstance(part, Part_Text))


def _prompt(asked: Any) -> Any:
    """A prompt from a text, or from messages as `{"role": ..., "content": ...}`."""
    from wit_world.imports.types import Message, Part_Text, Prompt, Role, Sampling

    messages = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    roles = {role.name.lower(): role for role in Role}
    turns = [Message(roles[message["role"]], [Part_Text(message["content"])]) for message in messages]
    return Prompt(turns, [], Sampling(None, None, None, [], None, None, None))
