"""Writes cases.jsonl: what Inspect's own scorers say of cases made by hand and by a seeded generator.

    python3 -m venv venv && venv/bin/pip install inspect-ai && venv/bin/python generate.py

The README beside this file says what a row holds. Cases that Inspect itself fails on are left out.
"""

import asyncio
import importlib.metadata
import itertools
import json
import pathlib
import random

from inspect_ai.model import ModelOutput, get_model
from inspect_ai.scorer import Target, answer, choice, exact, f1, includes, match, model_graded_qa, pattern
from inspect_ai.solver import TaskState
from inspect_ai.solver._multiple_choice import parse_answers, set_choices_based_on_generated_response

CHOSEN = random.Random(20260707)

WORDS = """the a an The AN cat Cat CAT dog straße STRASSE Straße ΣΊΣΥΦΟΣ σίσυφος İstanbul ﬁne fine naïve naïve co-operate
well-known it's its U.S.A. e.g. Paris paris, "Paris" (Paris) Paris. «Paris» “Paris” 巴黎 北京 Москва МОСКВА मुंबई yes no Yes
NO true None N/A none ... ? ! - -- — _ __ $ % & the-end a.b theа an_ _a a1 1a thé""".split()
NUMBERS = """0 -0 1 5 -5 +5 25 5.0 5. .5 -.5 05 1,234 1,234.50 1234.5 1,23 12,34,567 1_000 1__0 1e3 1E3 1e-3 1e400 1e 3.14159
3.14160 3.1416 3.14161 100000 100001 1000001 123456 123457 $5 -$5 $-5 £1,000 €3.50 ¥7 5% 60% 0.6 %5 (5) [5] {5} "5" '5' `5`
5! 5? 5; 5: :5 5, *5* **5** _5_ ~5 <5 >5 =5 5= 5kg 5-6 5/6 1/2 \\$20 \\5 −5 －５ ５ ١٢ ٣٫٥ १२ ½ 2½ -½ ⅔ 3² 10³ 2⁻¹ -2² ² ①
Ⅻ ⅷ 十 十二 二十 一百二十三 三千万 五 〇 负五 3点5 三點一四 兆 1'000 1’000 1．5 ５．５ nan inf -inf infinity 007 1.2.3 1..2 5.. -- -+5 +-5
--5 1e+3 1e5 2e2 0.1 0.10 .1. 18 18.0 18.00 -18 0x10 1a""".split()
GAPS = [" ", " ", " ", " ", "\n", "\n\n", "\t", ", ", ". ", " - ", "  ", "\u00a0", "\u3000", "\u001f", "\r\n"]


def joined(pieces):
    text = CHOSEN.choice(["", "", "", " ", "\n"])
    for piece in pieces:
        text += piece + CHOSEN.choice(GAPS)
    return text if CHOSEN.random() < 0.3 else text.strip()


def phrase(pool, most=5):
    return joined(CHOSEN.choices(pool, k=CHOSEN.randint(0, most)))


def related(text, pool):
    """A target that may well be right: a part of the answer, written a little differently."""
    pieces = text.split()
    roll = CHOSEN.random()
    if not pieces or roll < 0.2:
        return phrase(pool, 2)
    if roll < 0.4:
        start = CHOSEN.randrange(len(pieces))
        return CHOSEN.choice([str.upper, str.lower, str])(" ".join(pieces[start : start + 2]))
    if roll < 0.6:
        return CHOSEN.choice(["", " ", "."]) + pieces[-1] + CHOSEN.choice(["", ".", "!", "\n"])
    if roll < 0.75:
        return " ".join(pieces[: CHOSEN.randint(1, 2)])
    if roll < 0.9:
        return CHOSEN.choice([str.upper, str.swapcase, str])(text)
    return CHOSEN.choice(pieces)


def texts(count, pool, most=5):
    for _ in range(count):
        text = phrase(pool, most)
        targets = [related(text, pool) for _ in range(CHOSEN.choice([1, 1, 1, 2, 3]))]
        yield text, targets


def by_hand():
    yield from [
        ("", [""]), ("", ["x"]), (" \n", ["."]), ("x", [""]), ("The answer.", ["answer"]), ("the", ["the"]), ("a", ["a", "b"]),
        ("1,000", ["1000"]), ("1000.0", ["1000"]), ("-5", ["5"]), ("(3.14)", ["3.14"]), ("3.14.", ["3.14"]), ("x\nthe y", ["x y"]),
        ("ß", ["ss"]), ("SS", ["ß"]), ("ς", ["σ"]), ("ﬁ", ["fi"]), ("İ", ["i̇"]), ("K", ["k"]), ("a\u0301", ["\u0301"]), ("аn", ["n"]),
        ("theकि", ["कि"]), ("anि", ["ि"]), ("it's the-end, a 1e3", ["its end 1000"]), ("25", ["5"]), ("It is 25.", ["25"]),
    ]  # fmt: skip


class Cases:
    def __init__(self):
        self.rows = []
        self.seen = set()

    async def add(self, name, scorer, params, text, targets, *, value=None, choices=None, multiple=None, judge=None):
        row = {"scorer": name, "params": params, "answer": text, "targets": targets}
        state = TaskState(
            model="mockllm/model",
            sample_id=1,
            epoch=1,
            input="the question",
            messages=[],
            target=Target(targets),
            choices=choices,
            output=ModelOutput.from_content("mockllm/model", text),
        )
        if choices is not None:
            row["fields"] = {"choices": choices}
        if judge is not None:
            row["judge"] = judge
        if multiple is not None:
            set_choices_based_on_generated_response(state, parse_answers(state, multiple))
        try:
            score = await scorer(state, Target(targets))
        except (ValueError, TypeError, OverflowError):
            return
        row["expected"] = value(score) if value else score.value == "C"
        line = json.dumps(row, ensure_ascii=False)
        if line not in self.seen:
            self.seen.add(line)
            self.rows.append(line)


async def plain(cases):
    mixed = WORDS + NUMBERS
    for text, targets in itertools.chain(by_hand(), texts(350, mixed), texts(150, WORDS, 3), texts(100, NUMBERS, 1)):
        await cases.add("exact", exact(), {}, text, targets)
    for text, targets in itertools.chain(by_hand(), texts(300, mixed)):
        for params in [{}, {"ignore_case": False}]:
            await cases.add("includes", includes(**params), params, text, targets)
    for text, targets in itertools.chain(by_hand(), texts(450, mixed, 8)):
        await cases.add("f1", f1(), {}, text, targets, value=lambda score: score.value)
    for text, targets in texts(150, mixed, 8):
        params = {"stop_words": CHOSEN.sample(["cat", "Of", "it's", "Straße", "5", "the", "Paris."], 3)}
        await cases.add("f1", f1(**params), params, text, targets, value=lambda score: score.value)


async def matches(cases):
    mixed = WORDS + NUMBERS
    for location in ["begin", "end", "any", "exact"]:
        at = {} if location == "end" else {"location": location}
        for text, targets in itertools.chain(by_hand(), texts(120, mixed)):
            params = at | ({} if CHOSEN.random() < 0.7 else {"ignore_case": False})
            await cases.add("match", match(**params), params, text, targets)
        numeric = at | {"numeric": True}
        for text, targets in itertools.chain(by_hand(), texts(150, NUMBERS, 4), texts(100, mixed, 6)):
            await cases.add("match", match(**numeric), numeric, text, targets)
        for text in NUMBERS:
            await cases.add("match", match(**numeric), numeric, text, [text])
            for target in CHOSEN.sample(["5", "-5", "5.0", "1000", "12", "2.5", "0.5", "1234.5", "18", "100", "3.1416"], 4):
                await cases.add("match", match(**numeric), numeric, text, [target])
        for text in ["1 000", "1 234,5", "- 5", "(42)", "42!", "5 apples", "十 二", "1 000 000", "2 ½", "3 ²", "½ ,", "1e 3"]:
            for target in ["1000", "12345", "-5", "42", "5", "12", "1000000", "2.5", "9", "0.5", text]:
                await cases.add("match", match(**numeric), numeric, text, [target])


PATTERNS = [
    r"(\w+)", r"\w+", r"\w+$", r"^(\w+)", r"(\w+)\W*$", r"answer is (\S+)", r"ANSWER:\s*(.*)", r"ANSWER:\s*([^\n]+)", r"(?s)ANSWER:(.*)",
    r"(?m)^(\w+)$", r"(?i)(paris|cat)", r"(\d+)", r"(-?\d+(?:\.\d+)?)", r"\b(\d+)\b", r"([A-Z])\.", r"\(([^)]*)\)", r"(yes|no)",
    r"(yes)|(no)|(cat)", r"(\w+) (\w+)", r"(\w+)\s+(\w+)\s+(\w+)", r"(x)?(cat)?", r"(.*)", r"(.*)$", r"()", r"(\s*)", r"[\w.-]+",
    r"\\boxed{([^}]*)}", r"<(\w+)>", r"(?P<first>\w+)", r"(?x) answer \s is \s (\S+) # the word", r"(\w+)\Z", r"[^\W\d_]+", r"(\S{2,})",
    r"\D+", r"(?:the|a) (\w+)", r"\*\*(.+?)\*\*", r"#### (\-?[0-9\.\,]+)", r"(.)\n?$", r"(cat$|Cat)", r"[[(](\w)[])]", r"a{,2}", r"(?i:paris)",
]  # fmt: skip
FRAMES = ["{}", "The answer is {}", "ANSWER: {}", "ANSWER: {}\n", "I think\nANSWER: {}\n\n", "({})", "**{}**", "\\boxed{{{}}}", "<{}>",
          "#### {}", "{}. {}", "{}\n{}", "yes {}", "answer is {}\n"]  # fmt: skip


async def patterns(cases):
    pool = WORDS + NUMBERS
    for source in PATTERNS:
        for _ in range(22):
            piece = phrase(pool, 2)
            text = CHOSEN.choice(FRAMES).replace("{}", piece, 1).replace("{}", phrase(pool, 2))
            targets = [CHOSEN.choice([piece, piece, piece.upper(), related(text, pool)]) for _ in range(CHOSEN.choice([1, 1, 2, 3]))]
            params = {"pattern": source}
            if CHOSEN.random() < 0.3:
                params["ignore_case"] = False
            if CHOSEN.random() < 0.3:
                params["match_all"] = True
            await cases.add("pattern", pattern(**params), params, text, targets)
    for source, (text, targets) in itertools.product(PATTERNS, [("", [""]), ("cat", ["cat", ""]), ("yes no cat", ["yes", "no", "cat"])]):
        for params in [{"pattern": source}, {"pattern": source, "match_all": True}]:
            await cases.add("pattern", pattern(**params), params, text, targets)


HEADINGS = ["ANSWER: ", "ANSWER:", "Answer: ", "answer : ", "ANSWER:\n", "**ANSWER: ", "ANSWER:  ", "The ANSWER: ", "ANSWER ", "ANSWER\n:\t",
            "ANSWERS: ", "\nANSWER: ", "ANSWER: \n", "ANSWER: answer: ", "ANSWER: $", "ANSWER: **", "(ANSWER: ", "MyAnswer:"]  # fmt: skip
LISTS = """A B C D E a b c Z 1 2 5 26 A,C A,B,C C,A AC BCD a,c (A) (b) $B$ **C** **(D)** [A] `B` "C" A) B. C, ,A A,,C A;C A/B Berlin
AND é Aé Bü A_ 5é ٣ and (A),(C) (A,C) \\boxed{B} A: A- A! (1)""".split() + [
    "A, C", "A and C", "A, B, and C", "A AND C", "A B", "A  C", "A or B", "B because", "A is right", "C .", "$ B $", "** C **", "$A, B$",
    "** A,B**", "(A) ", "", " ", "A\nB", "A.\nB", "A, é", "B é", ", é", "A,\n", "none", "I don't know", "$A$ and $B$", "***A***", "( B )",
]  # fmt: skip
TAILS = ["", "", "", "", ".", "\n", "**", " ", "\n\nDone.", " because", ". So", "\nANSWER: A", "\nANSWER:", "\nANSWER: \n", ")", "\t\n", "é", "_"]
LETTERS = ["A", "B", "C", "D"]


def choice_text():
    parts = [CHOSEN.choice(["", "", "I think.\n", "A ", "Not B.\n\n", "ANSWER: D\n", "answer: c\n"])]
    for _ in range(CHOSEN.choice([1, 1, 1, 2])):
        parts += [CHOSEN.choice(HEADINGS), CHOSEN.choice(LISTS), CHOSEN.choice(TAILS)]
    return "".join(parts)


async def choices(cases):
    texts = [heading + letters + tail for heading in ["ANSWER: ", "ANSWER:"] for letters in LISTS for tail in ["", ".", " x"]]
    texts += ["", " \n", "A", "(B)", "no answer", "answer", "ANSWER:", "ANSWER: "] + [choice_text() for _ in range(700)]
    for text in texts:
        count = CHOSEN.choice([2, 4, 4, 4, 5, 30])
        targets = CHOSEN.choice([["A"], ["B"], ["C"], ["a"], ["A", "C"], ["AC"], ["A,C"], ["A, B"], ["D"], ["1"], ["AA"], ["B", "B"]])
        multiple = CHOSEN.choice([None, True, False])
        several = len("".join(targets).replace(",", "").replace(" ", "")) > 1
        params = {"bare": False} | ({} if multiple is None else {"multiple": multiple})
        await cases.add("choice", choice(), params, text, targets, choices=[f"choice {i}" for i in range(count)],
                        multiple=several if multiple is None else multiple)  # fmt: skip
        params = {"bare": False, "read": "letter"}
        await cases.add("choice", answer("letter"), params, text, [CHOSEN.choice(["A", "B", "b", "C"]), CHOSEN.choice(["A", "d", "E"])])


GRADES = """C P I c p i Correct incorrect PARTIAL partial CI Cx C. **C** "C" (C) $LETTER none C_ é Cé correct! I/C""".split() + ["", " C", "\nI", "\u200bC", "C P"]
JUDGED = ["GRADE: ", "GRADE:", "Grade: ", "grade : ", "**GRADE: ", "GRADE\n:\n", "downgrade: ", "GRADED: ", "GRADE_: ", "_GRADE: ", "GRADE\u200b:\u2060",
          "The GRADE: ", "GRADE ", "gradé: ", "éGRADE: "]  # fmt: skip


def replying(text):
    """In the place of a model's `generate`, which would fetch a tokenizer to count what nobody pays."""

    async def generate(_):
        return ModelOutput.from_content("mockllm/model", text)

    return generate


async def judged(cases):
    worth = {"C": 1.0, "P": 0.5, "I": 0.0}
    for index in range(500):
        reply = "".join(CHOSEN.choice(JUDGED) + CHOSEN.choice(GRADES) + CHOSEN.choice(["", "\n", ". ", "\nor ", "**\n"]) for _ in range(CHOSEN.choice([1, 1, 2, 3])))
        partial = CHOSEN.random() < 0.5
        params = {"partial_credit": True} if partial else {}
        if index % 3 == 0:
            params["instructions"] = "Grade it."
        elif index % 7 == 0:
            params["grade_pattern"] = CHOSEN.choice([r"GRADE: ([CPI])", r"(?s).*GRADE: ([CI])", r"(?i)grade\s*:\s*(C|I)\b"])

        def value(score, partial=partial):
            grade = str(score.value).upper()
            if grade not in worth or (grade == "P" and not partial):
                return None
            return worth[grade] if partial else grade == "C"

        grader = get_model("mockllm/model", memoize=False)
        grader.generate = replying(reply)
        await cases.add("model-graded", model_graded_qa(model=grader, **params), params, "an answer", ["a criterion"], value=value, judge=reply)


async def main():
    cases = Cases()
    for part in [plain, matches, patterns, choices, judged]:
        await part(cases)
    first = json.dumps({"inspect_ai": importlib.metadata.version("inspect-ai")})
    path = pathlib.Path(__file__).with_name("cases.jsonl")
    path.write_text("\n".join([first, *cases.rows]) + "\n", encoding="utf-8", newline="\n")
    print(len(cases.rows), "rows")


if __name__ == "__main__":
    asyncio.run(main())
