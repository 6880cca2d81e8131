"""Settings of the memory of what was accepted."""

from typing import Annotated, Literal

from msgspec import Meta

from radiance.config.section import Section

MemoryMode = Literal["off", "pending", "always"]


class MemorySettings(Section, frozen=True):
    """The memory: accepted examples answer at once, and in other words than they were taught in."""

    mode: Annotated[
        Literal["auto", "off", "pending", "always"],
        Meta(
            description="When memory answers. off: never. pending: what was accepted and is not "
            "learned yet. always: also what was learned: the model is asked it in the words it was "
            "taught in; within a chat, and by yes or no, pending does so, too. Documents are never "
            "learned, and answer in both. auto: always on /search, pending on /v1. A request may "
            "ask for another."
        ),
    ] = "auto"
    scope: Annotated[
        Literal["auto", "all", "facts"],
        Meta(
            description="Questions that the adapter is asked. all: every one. facts: those about "
            "what was taught; what is about nothing that was taught, such as a name that no "
            "example has, is answered by the base model. auto: as facts, but for questions of a "
            "kind that examples which are no facts (tasks, styles, texts) were asked in."
        ),
    ] = "auto"
    max_wrong: Annotated[
        float,
        Meta(
            description="Largest share of questions that memory may answer wrongly, of each kind "
            "that it is calibrated on; 0 asks for none in the calibration.",
            ge=0,
            lt=1,
        ),
    ] = 0.02
    max_near: Annotated[
        float,
        Meta(
            description="Largest share of questions about a known name, on what was never taught "
            "of it, that memory may answer with another fact of it. A smaller share has more "
            "questions in other words asked back. The default gives up some right answers: a "
            "question that is asked back costs a second look, and a wrong answer is believed.",
            ge=0,
            lt=1,
        ),
    ] = 0.2
    embedder: Annotated[
        Literal["words", "minilm"],
        Meta(
            description="How examples are found. words: by the words of question and answer. "
            "minilm: by what they mean, too, with a small model that radiance models get minilm "
            "fetches."
        ),
    ] = "words"
    forgotten_checkpoints: Annotated[
        Literal["delete", "keep"],
        Meta(
            description="Files of checkpoints that had learned what was forgotten on request. They "
            "never serve again. delete: gone at once. keep: left on the disk, as evidence."
        ),
    ] = "delete"
