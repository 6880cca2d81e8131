"""``radiance alphas ask`` and ``meant``: an alpha from words, and what was meant by them."""

import click

from radiance.cli.client import ServiceClient, client_options
from radiance.cli.output import note, print_pairs, printed_as_json
from radiance.labs.alphas.commands.options import TakesAlphas, pointing

_PATIENCE_S = 120.0
_BY = {
    "rules": "read from your words",
    "model": "chosen by the model",
    "memory": "as it was corrected",
}


@click.command("ask")
@click.argument("prompt")
@client_options
def ask(prompt: str, client: ServiceClient) -> None:
    """Ask the running service for the alpha that PROMPT describes.

    The output is the sentence that says what the alpha does, its expression, and what else the
    prompt may mean. Where it is not what you meant, teach it with `radiance alphas meant`.

    Examples:
      radiance alphas ask "Fade last week's winners within their sector"
      radiance alphas ask "calm stocks near their yearly high" --json
    """
    found = client.post("/alphas/generate", {"prompt": prompt, "temperature": 0}, _PATIENCE_S)
    if printed_as_json(found):
        return
    told = {"means": found["sentence"], "alpha": found["alpha"] or found["answer"]}
    told["understood"] = _BY.get(found["by"], found["by"])
    if found["error"]:
        told["error"] = found["error"]
    for number, other in enumerate(found["others"], 1):
        told[f"or {number}"] = f"{other['sentence']} {other['alpha']}"
    print_pairs(told.items())
    note(f'Not what you meant? radiance alphas meant "{prompt}" 1, or an expression for 1.')


@click.command("meant", cls=TakesAlphas)
@click.argument("prompt")
@click.argument("meant")
@client_options
def teach_meaning(prompt: str, meant: str, client: ServiceClient) -> None:
    """Teach the running service that PROMPT means MEANT.

    MEANT is an expression, other words, or the number of another reading that `radiance alphas ask`
    printed. The prompt means it from then on, and the model learns it.

    Examples:
      radiance alphas meant "sleepy shares" "-1 * stddev(returns, 60)"
      radiance alphas meant "sleepy shares" "calm over 60 days"
      radiance alphas meant "Fade last week's winners" 2
    """
    # Not at the top: the service's modules are needed for nothing else here.
    from radiance.labs.alphas.plans.correcting import correction

    if meant.strip().isdecimal():
        asked = {"prompt": prompt, "temperature": 0}
        others = client.post("/alphas/generate", asked, _PATIENCE_S)["others"]
        if not 1 <= int(meant) <= len(others):
            raise click.BadParameter(f"{meant}: there are {len(others)}.", param_hint="MEANT")
        meant = others[int(meant) - 1]["alpha"]
    with pointing():
        body = correction(prompt, meant)
    answer = client.post("/update", body)
    if printed_as_json(answer):
        return
    print_pairs([("prompt", prompt), ("means", body["examples"][0]["output"])])
    note(f"Taught as job {answer['job_id']}.")
