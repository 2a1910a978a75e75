"""Questions before answers: what a wrong number comes from is said, and a second try follows."""

import math
from collections.abc import Callable
from typing import Any

import torch

from experiments.lessons.row import Row
from experiments.lessons.show.values import written
from experiments.lessons.work import Question, agree

TRIES = 3


def ask(row: Row, questions: list[Question], read: Callable[[str], str], say: Callable[[str], None]) -> int:
    """Put a row's questions; returns how many were answered rightly. An empty line shows the answer.

    Args:
        read: gives a line for a prompt; EOFError ends the quiz.
        say: prints a line.
    """
    right = 0
    for question in questions:
        say(f"\n{row.name} {row.title}\n{question.text}")
        right += _answered(question, read, say)
    return right


def _answered(question: Question, read: Callable[[str], str], say: Callable[[str], None]) -> bool:
    tries = 0
    while tries < TRIES and (line := read("> ").strip()):
        answer = parsed(line)
        if answer is None:
            say(f"That is no number: {line!r}. Write 2.9, -1/3 or, for several, 2.9 0 12.9; an empty line gives up.")
        elif agree(answer, question.answer, question.digits):
            say("Right.")
            return True
        else:
            tries += 1
            say(diagnosis(answer, question) + (" Try again." if tries < TRIES else ""))
    say(f"It is {written(question.answer)}.")
    return False


def parsed(line: str) -> Any:
    """The number, or list of numbers, of a line; None if it is neither.

    >>> parsed("2.9"), parsed("-1/3, 1/3, 0"), parsed("−.5"), parsed("two")
    (2.9, [-0.3333333333333333, 0.3333333333333333, 0.0], -0.5, None)
    """
    words = line.replace("−", "-").strip("[]() ").replace(",", " ").split()
    try:
        numbers = [_number(word) for word in words]
    except (ValueError, ZeroDivisionError):
        return None
    return numbers[0] if len(numbers) == 1 else numbers or None


def _number(word: str) -> float:
    above, _, below = word.partition("/")
    value = float(above) / float(below) if below else float(above)
    if not math.isfinite(value):
        raise ValueError(word)
    return value


def diagnosis(answer: Any, question: Question) -> str:
    """In a sentence, what went wrong: a mistake that the row knows, or what the numbers tell.

    >>> diagnosis(-2.9, Question("", 2.9))
    'The sign is wrong.'
    """
    for why, wrong in question.mistakes.items():
        if agree(answer, wrong, question.digits):
            return f"Not quite: {why}."
    given, right = (torch.as_tensor(v, dtype=torch.float64) for v in (answer, question.answer))
    if given.shape != right.shape:
        return f"This has {right.numel()} number{'s' * (right.numel() != 1)}, and you gave {given.numel()}."
    if agree(-given, right, question.digits):
        return "The sign is wrong."
    for digits in range(question.digits - 1, 0, -1):
        if agree(given, right, digits):
            return f"Close: give {question.digits} digits after the point."
    if given.count_nonzero() and not (factor := _factor(given, right)).isnan():
        return f"It is {written(factor.item(), 3)} times what it should be."
    if given.dim() and bool((given - right).abs().min() < 10.0**-question.digits):
        wrong = ((given - right).abs() > 10.0**-question.digits).nonzero().flatten() + 1
        return f"Some of it is right; look again at number {', '.join(map(str, wrong.tolist()))}."
    return "No."


def _factor(given: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """What the right numbers are multiplied by, if it is a small whole number or one part of it; else NaN."""
    ratio = (given / right)[right != 0]
    same = ratio.numel() and bool((ratio - ratio.mean()).abs().max() < 1e-3)
    told = same and any(abs(ratio.mean().item() - f) < 1e-3 for n in (2, 3, 4, 5, 10) for f in (n, 1 / n, -n, -1 / n))
    return ratio.mean() if told else torch.tensor(math.nan)
