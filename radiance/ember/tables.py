"""The facts as tables: rows of fields, wordings of the question, and the shape of the answer.

``{0}`` is a row's first field, ``{1}`` its second, and so on. The first question is the canonical
one. Facts are common knowledge, written down for this file; reforms after 2024 are not followed.
"""

from dataclasses import dataclass

from radiance.ember.rows_counted import DAYS, DIFFERENCES, MONTHS, SUMS, TIMES, chain
from radiance.ember.rows_science import SCIENCE_ROWS
from radiance.ember.rows_society import COUNTRIES, LANGUAGE_ROWS, SOCIETY_ROWS


@dataclass(frozen=True)
class Relation:
    """A category of facts that share their wordings."""

    context: str
    rows: str
    questions: tuple[str, ...]
    answer: str


RELATIONS: tuple[Relation, ...] = (
    Relation(
        "capitals",
        COUNTRIES,
        (
            "What is the capital of {0}?",
            "Which city is the capital of {0}?",
            "Name the capital city of {0}.",
            "What city is {0}'s capital?",
            "{0} has which capital?",
            "Can you tell me the capital of {0}?",
        ),
        "The capital of {0} is {1}.",
    ),
    Relation(
        "continents",
        COUNTRIES,
        (
            "On which continent is {0}?",
            "Which continent is {0} in?",
            "Where in the world is {0}?",
            "What continent does {0} belong to?",
            "Name the continent of {0}.",
        ),
        "{0} is in {2}.",
    ),
    Relation(
        "currencies",
        COUNTRIES,
        (
            "What is the currency of {0}?",
            "Which currency does {0} use?",
            "What money do people use in {0}?",
            "Name the currency of {0}.",
            "How do people pay in {0}?",
        ),
        "The currency of {0} is the {3}.",
    ),
    Relation(
        "languages",
        COUNTRIES,
        (
            "What is the main language of {0}?",
            "Which language do people speak in {0}?",
            "What language is spoken in {0}?",
            "Name the main language of {0}.",
            "What do most people in {0} speak?",
        ),
        "The main language of {0} is {4}.",
    ),
    Relation(
        "symbols",
        SCIENCE_ROWS["elements"],
        (
            "What is the chemical symbol of {0}?",
            "Which symbol stands for {0}?",
            "How is {0} written in chemistry?",
            "Name the symbol of the element {0}.",
            "What symbol does {0} have?",
        ),
        "The chemical symbol of {0} is {1}.",
    ),
    Relation(
        "atomic numbers",
        SCIENCE_ROWS["elements"],
        (
            "What is the atomic number of {0}?",
            "Which atomic number does {0} have?",
            "How many protons does {0} have?",
            "Name the atomic number of {0}.",
            "{0} has what atomic number?",
        ),
        "The atomic number of {0} is {2}.",
    ),
    Relation(
        "planets",
        SCIENCE_ROWS["planets"],
        (
            "Which planet is number {1} from the Sun?",
            "What is planet number {1} from the Sun?",
            "Name planet number {1} of the Solar System.",
            "What is the {2} planet from the Sun?",
            "Which planet comes {2} from the Sun?",
        ),
        "Planet number {1} from the Sun is {0}.",
    ),
    Relation(
        "sky",
        SCIENCE_ROWS["sky"],
        ("{1}?", "Can you tell me: {1}?", "Do you know: {1}?", "Answer this: {1}?"),
        "{2}.",
    ),
    Relation(
        "young animals",
        SCIENCE_ROWS["young"],
        (
            "What is a young {0} called?",
            "What do you call a baby {0}?",
            "What is the name for a young {0}?",
            "Name the young of a {0}.",
            "How do we call the child of a {0}?",
        ),
        "A young {0} is called a {1}.",
    ),
    Relation(
        "animal sounds",
        SCIENCE_ROWS["sounds"],
        (
            "What sound does a {0} make?",
            "Which sound does a {0} make?",
            "What does a {0} do when it makes a noise?",
            "How does a {0} sound?",
            "Name the sound of a {0}.",
        ),
        "A {0} {1}.",
    ),
    Relation(
        "animal classes",
        SCIENCE_ROWS["classes"],
        (
            "What kind of animal is a {0}?",
            "Which class of animals does a {0} belong to?",
            "What is a {0}, a mammal, a bird or something else?",
            "Name the class of the {0}.",
            "To which group of animals does the {0} belong?",
        ),
        "The {0} is {1}.",
    ),
    Relation(
        "opposites",
        LANGUAGE_ROWS["opposites"],
        (
            "What is the opposite of {0}?",
            "Which word means the opposite of {0}?",
            "Name the opposite of {0}.",
            "What is not {0} but the contrary?",
            "Give me the antonym of {0}.",
        ),
        "The opposite of {0} is {1}.",
    ),
    Relation(
        "plurals",
        LANGUAGE_ROWS["plurals"],
        (
            "What is the plural of {0}?",
            "How do you write more than one {0}?",
            "Name the plural of {0}.",
            "One {0}, but two what?",
            "Which word is the plural form of {0}?",
        ),
        "The plural of {0} is {1}.",
    ),
    Relation(
        "past tenses",
        LANGUAGE_ROWS["past"],
        (
            "What is the past tense of {0}?",
            "How do you write {0} in the past?",
            "Name the past tense of {0}.",
            "Today I {0}, but what did I do yesterday?",
            "Which word is the past form of {0}?",
        ),
        "The past tense of {0} is {1}.",
    ),
    Relation(
        "colours",
        LANGUAGE_ROWS["colours"],
        (
            "What colour is {0}?",
            "Which colour does {0} have?",
            "Name the colour of {0}.",
            "How would you describe the colour of {0}?",
            "{0} has what colour?",
        ),
        "The colour of {0} is {1}.",
    ),
    Relation(
        "calendar",
        "\n".join(
            (
                chain("day after", DAYS, 1),
                chain("month after", MONTHS, 1),
            )
        ),
        (
            "What comes after {1}?",
            "Which one follows {1}?",
            "What is next after {1}?",
            "Name what comes right after {1}.",
        ),
        "After {1} comes {2}.",
    ),
    Relation(
        "calendar backwards",
        "\n".join(
            (
                chain("day before", DAYS, -1),
                chain("month before", MONTHS, -1),
            )
        ),
        (
            "What comes before {1}?",
            "Which one is right before {1}?",
            "What is just before {1}?",
            "Name what comes right before {1}.",
        ),
        "Before {1} comes {2}.",
    ),
    Relation(
        "times tables",
        TIMES,
        (
            "What is {1} times {2}?",
            "How much is {1} times {2}?",
            "{1} x {2} = ?",
            "Multiply {1} by {2}.",
            "What do you get when you multiply {1} by {2}?",
        ),
        "{1} times {2} is {3}.",
    ),
    Relation(
        "sums",
        SUMS,
        (
            "What is {1} plus {2}?",
            "How much is {1} plus {2}?",
            "{1} + {2} = ?",
            "Add {1} and {2}.",
            "What do you get when you add {1} and {2}?",
        ),
        "{1} plus {2} is {3}.",
    ),
    Relation(
        "differences",
        DIFFERENCES,
        (
            "What is {1} minus {2}?",
            "How much is {1} minus {2}?",
            "{1} - {2} = ?",
            "Take {2} away from {1}.",
            "What is left of {1} when you take away {2}?",
        ),
        "{1} minus {2} is {3}.",
    ),
    Relation(
        "shapes",
        SCIENCE_ROWS["shapes"],
        (
            "How many sides does a {0} have?",
            "What number of sides does a {0} have?",
            "A {0} has how many sides?",
            "Count the sides of a {0}.",
        ),
        "A {0} has {1} sides.",
    ),
    Relation(
        "units",
        SCIENCE_ROWS["units"],
        (
            "How many {2} are in a {1}?",
            "A {1} has how many {2}?",
            "How many {2} make up one {1}?",
            "What number of {2} is in one {1}?",
        ),
        "There are {3} {2} in a {1}.",
    ),
    Relation(
        "measures",
        SCIENCE_ROWS["measures"],
        (
            "What is the unit of {0}?",
            "In which unit is {0} measured?",
            "Name the unit of {0}.",
            "Which unit do we use for {0}?",
        ),
        "The unit of {0} is the {1}.",
    ),
    Relation(
        "compounds",
        SCIENCE_ROWS["compounds"],
        (
            "What is the chemical formula of {0}?",
            "Which formula does {0} have?",
            "Name the chemical formula of {0}.",
            "How do chemists write {0}?",
        ),
        "The chemical formula of {0} is {1}.",
    ),
    Relation(
        "authors",
        SOCIETY_ROWS["books"],
        (
            "Who wrote {0}?",
            "Who is the author of {0}?",
            "Which author wrote {0}?",
            "By whom was {0} written?",
            "Name the writer of {0}.",
        ),
        "{0} was written by {1}.",
    ),
    Relation(
        "inventors",
        SOCIETY_ROWS["inventors"],
        (
            "Who is known for {0}?",
            "Which person is known for {0}?",
            "Name the person known for {0}.",
            "Who became famous for {0}?",
            "Whom do we thank for {0}?",
        ),
        "{1} is known for {0}.",
    ),
    Relation(
        "state capitals",
        SOCIETY_ROWS["states"],
        (
            "What is the capital of the state of {0}?",
            "Which city is the capital of the US state {0}?",
            "Name the state capital of {0}.",
            "What is the state capital of {0}?",
            "{0} is a US state with which capital?",
        ),
        "The capital of the state of {0} is {1}.",
    ),
    Relation(
        "landmarks",
        SOCIETY_ROWS["landmarks"],
        (
            "Where is {0}?",
            "In which place can you find {0}?",
            "Where would I go to see {0}?",
            "Name the place where {0} is.",
        ),
        "{0} is in {1}.",
    ),
    Relation(
        "finance",
        SOCIETY_ROWS["finance"],
        (
            "What is {0}?",
            "What does {0} mean in finance?",
            "Explain {0}.",
            "How would you define {0}?",
            "Tell me what {0} is.",
        ),
        "{0} is {1}.",
    ),
    Relation(
        "tools",
        LANGUAGE_ROWS["tools"],
        (
            "What do you use {0} for?",
            "What is {0} used for?",
            "What can you do with {0}?",
            "Why would someone need {0}?",
        ),
        "You use {0} to {1}.",
    ),
    Relation(
        "places of work",
        LANGUAGE_ROWS["work"],
        (
            "Where does {0} work?",
            "What is the place of work of {0}?",
            "In what place does {0} work?",
            "Name the place where {0} works.",
        ),
        "{0} works in {1}.",
    ),
)
