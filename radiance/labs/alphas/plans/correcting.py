"""Not what was meant: the example that teaches what a prompt means."""

from typing import Any

from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.syntax import AlphaError
from radiance.labs.alphas.models.grading import expression_of
from radiance.labs.alphas.plans import reading

MEANT = "meant"
"""Tag of an example that says what a prompt means."""


def correction(prompt: str, meant: str) -> dict[str, Any]:
    """The body of POST /update that teaches what ``prompt`` means.

    Raises:
        AlphaError: ``meant`` is neither an expression nor a sentence of a plan.
    """
    return {
        "examples": [{"input": prompt, "output": meant_by(meant)}],
        "tags": ["alphas", MEANT],
        "supersede": True,
    }


def meant_by(text: str) -> str:
    """The expression of a correction: itself, or of the sentence that says it.

    Raises:
        AlphaError: It is neither.
    """
    try:
        return render(check(expression_of(text)).node)
    except AlphaError:
        read = reading.read(text)
        if not read:
            raise
        return read[0].plan.expression
