"""``radiance search``: one question, one answer."""

import sys

import click

from radiance.cli.client import Answer, ServiceClient, client_options
from radiance.cli.output import note, printed_as_json

# A long answer of a large model on a slow machine takes minutes.
_TIMEOUT_S = 600.0


@click.command()
@click.argument("prompt")
@click.option(
    "--max-tokens", type=int, metavar="N", help="Most tokens of the answer. Default: 256."
)
@click.option(
    "--temperature",
    type=float,
    metavar="T",
    help="Sampling temperature; 0 always takes the likeliest token. Default: 0.2.",
)
@click.option(
    "--training", is_flag=True, help="Answer with the weights of the training cycle under way."
)
@click.option(
    "--memory",
    type=click.Choice(["off", "pending", "always"]),
    help="Whether accepted examples answer: off, those not learned yet, or all. Default: "
    "memory.mode of the service.",
)
@client_options
def search(
    prompt: str,
    max_tokens: int | None,
    temperature: float | None,
    training: bool,
    memory: str | None,
    client: ServiceClient,
) -> None:
    """Ask PROMPT and print the answer.

    The answer goes to stdout. A line on stderr names the checkpoint that answered, its status and
    the time taken; or the example, where memory answered with what was taught. A PROMPT of - reads
    the prompt from stdin.

    Examples:
      radiance search "Where is the Lumen workshop?"
      radiance search --temperature 0 --max-tokens 40 "Who leads it?"
      echo "Who leads it?" | radiance search - --json
    """
    if prompt == "-":
        prompt = sys.stdin.read().strip()
    body = {
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "memory": memory,
        "use_training_adapter": training or None,
    }
    answer = client.post("/search", body, timeout_s=_TIMEOUT_S)
    if printed_as_json(answer):
        return
    click.echo(answer["response"])
    note(f"{_who(answer)}, {answer['latency_ms']:.0f} ms")


def _who(answer: Answer) -> str:
    """Who answered, and by which examples."""
    if passage := answer.get("passage"):
        return f"memory ({passage['passage_id']} of {passage['document']})"
    found = ", ".join(match["example_id"] for match in answer.get("matches", ()))
    if answer.get("source") == "memory":
        return f"memory ({found})"
    checkpoint = f"{answer['checkpoint'] or 'the base model'} ({answer['checkpoint_status']})"
    return f"{checkpoint}, asked as {found}" if found else checkpoint
