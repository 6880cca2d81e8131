"""The methods that are compared, as settings of the service's own objective.

The proposal's three are ``naive``, ``anchor`` and ``projection``. ``service`` has the settings that
the language model is trained with. ``held`` is what the lab found best on seeds that no report
uses: the adapter acts where it was trained to (``routing.py``), and what it still moves on the
anchors is kept within a budget, context by context, by dual ascent. ``routing`` is its first half
alone; ``held+projection`` shows what a projection would add to it.
"""

from dataclasses import dataclass

from radiance.config import AnchorSettings
from radiance.labs.signals.contexts import METHOD_NAMES
from radiance.labs.signals.settings import AdaptationSettings

_ALL = 1024  # anchors per gradient: every one


@dataclass(frozen=True)
class Method:
    """One way to adapt.

    Attributes:
        label: For tables.
        summary: What it does, as a sentence.
        anchor: How the objective holds the anchors; None: nothing is trained.
        is_routed: Whether the adapter acts on ordinary days only.
    """

    name: str
    label: str
    summary: str
    anchor: AnchorSettings | None
    is_routed: bool = False


def find_methods(settings: AdaptationSettings) -> list[Method]:
    """The methods of a study, in its order."""
    weight, budget = settings.anchor_weight, settings.budget
    found = (
        Method("none", "no adaptation", "The deployed model as it is.", None),
        Method(
            "naive", "LoRA (naive)", "Learns the new regime alone.", AnchorSettings(method="naive")
        ),
        Method(
            "anchor",
            "LoRA + anchor",
            "Also stays close to the deployed outputs on the anchors.",
            AnchorSettings(method="anchor", weight=weight, batch_size=_ALL),
        ),
        Method(
            "projection",
            "LoRA + anchor + projection",
            "Also drops from each gradient what would move against the anchors.",
            AnchorSettings(weight=weight, batch_size=_ALL, project="gradient"),
        ),
        Method(
            "service",
            "the service's defaults",
            "A heavier anchor term; the step is projected after AdamW, as for the language model.",
            AnchorSettings(),
        ),
        Method(
            "routing",
            "LoRA, routed",
            "Learns the new regime alone, and acts on ordinary days only.",
            AnchorSettings(method="naive"),
            is_routed=True,
        ),
        Method(
            "held",
            "LoRA, routed + budget",
            "Acts on ordinary days only, and keeps what it still moves within a budget.",
            AnchorSettings(method="anchor", weight=weight, budget=budget, constraints="contexts"),
            is_routed=True,
        ),
        Method(
            "held+projection",
            "LoRA, routed + budget + projection",
            "The same, and no step moves against any context.",
            AnchorSettings(weight=weight, budget=budget, constraints="contexts"),
            is_routed=True,
        ),
    )
    by_name = {method.name: method for method in found}
    return [by_name[name] for name in settings.methods]


LABELS = {
    method.name: method.label for method in find_methods(AdaptationSettings(methods=METHOD_NAMES))
}
"""By name, what every method is called."""
