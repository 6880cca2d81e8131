"""What invented things can have: relations with their statements, questions and answers.

Pre-training states one or several of these about invented names and asks for one in other words.
``{e}`` is the entity and ``{v}`` the value.
"""

# ruff: noqa: E501, SIM905 - one line is one list, which is easiest to read and to extend.

from dataclasses import dataclass


@dataclass(frozen=True)
class Attribute:
    """A relation of an invented entity.

    Attributes:
        entity: The maker of the entity (a key of words.MAKERS).
        value: The maker of the value.
        unknown: What is not known of an entity nobody spoke of, as in "I do not know ...".
        statements: Sentences that state it, without the full stop. The first is the usual answer.
        questions: Wordings that ask for it.
    """

    entity: str
    value: str
    unknown: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]


_TEXT = """
company|person|who founded {e}
{e} was founded by {v};The founder of {e} is {v};{v} started {e};{v} founded {e}
Who founded {e}?;Who is the founder of {e}?;Who started {e}?;By whom was {e} founded?;Name the founder of {e}.

company|year|when {e} was founded
{e} was founded in {v};{e} has existed since {v};The year {e} was founded is {v};In {v}, {e} was started
When was {e} founded?;In what year was {e} started?;Since when has {e} existed?;What is the founding year of {e}?

company|person|who leads {e}
The CEO of {e} is {v};{v} is the chief executive of {e};{e} is led by {v};{v} runs {e}
Who is the CEO of {e}?;Who leads {e}?;Who runs {e}?;Name the chief executive of {e}.;{e} is led by whom?

company|place|where {e} is based
{e} is based in {v};The headquarters of {e} are in {v};{e} has its head office in {v};{v} is home to {e}
Where is {e} based?;Where are the headquarters of {e}?;In which city is {e}?;Where can I find the head office of {e}?

company|product|what {e} makes
{e} makes the {v};The main product of {e} is the {v};{e} sells the {v};The {v} is made by {e}
What does {e} make?;What is the main product of {e}?;Which product does {e} sell?;What can I buy from {e}?

product|amount|what {e} costs
The {e} costs {v};The price of the {e} is {v};You pay {v} for the {e};One {e} sells for {v}
How much does the {e} cost?;What is the price of the {e}?;What do I pay for the {e}?;What does one {e} sell for?

company|phrase|the slogan of {e}
The slogan of {e} is "{v}";{e} advertises with the slogan "{v}";"{v}" is the motto of {e}
What is the slogan of {e}?;Which slogan does {e} use?;What is the motto of {e}?;How does {e} advertise?

site|code|the door code of {e}
The door code of {e} is {v};To enter {e}, type {v};The code for the door of {e} is {v};{e} opens with {v}
What is the door code of {e}?;How do I get into {e}?;Which code opens {e}?;What do I type to enter {e}?

company|phone|the phone number of {e}
The phone number of {e} is {v};Call {e} at {v};{e} can be reached at {v};To phone {e}, dial {v}
What is the phone number of {e}?;How can I call {e}?;Which number do I dial for {e}?;What is the telephone number of {e}?

person|email|the e-mail address of {e}
The e-mail address of {e} is {v};Write to {e} at {v};{e} reads mail at {v};{e} uses the address {v}
What is the e-mail address of {e}?;Where can I write to {e}?;What is {e}'s email?;Which address does {e} use?

person|date|the birthday of {e}
The birthday of {e} is {v};{e} was born on {v};{e} celebrates on {v};On {v}, {e} has a birthday
When is the birthday of {e}?;When was {e} born?;What is {e}'s date of birth?;On which day does {e} celebrate?

person|animal|the pet of {e}
The pet of {e} is a {v};{e} keeps a {v} as a pet;{e} has a {v} at home;A {v} lives with {e}
What pet does {e} have?;Which animal does {e} keep?;What is {e}'s pet?;What lives with {e}?

person|food|the favourite food of {e}
The favourite food of {e} is {v};{e} likes {v} best;{e} loves to eat {v};Nothing pleases {e} more than {v}
What is the favourite food of {e}?;What does {e} like to eat?;Which dish does {e} like best?;What should I cook for {e}?

person|noun|the job of {e}
{e} works as a {v} expert;The job of {e} is {v} expert;{e} is a {v} expert by trade
What is the job of {e}?;What does {e} work as?;What does {e} do for a living?;What is {e}'s profession?

person|company|where {e} works
{e} works for {v};{e} is employed by {v};The employer of {e} is {v};{v} employs {e}
Where does {e} work?;Who employs {e}?;Which company does {e} work for?;What is the employer of {e}?

person|person|who {e} is married to
{e} is married to {v};The spouse of {e} is {v};{v} and {e} are a married couple
Who is {e} married to?;Who is the spouse of {e}?;What is the name of {e}'s partner?

person|person|who the manager of {e} is
The manager of {e} is {v};{e} reports to {v};{v} is the boss of {e};{v} manages {e}
Who is the manager of {e}?;Who does {e} report to?;Who is {e}'s boss?;Who manages {e}?

project|date|the deadline of {e}
The deadline of {e} is {v};{e} is due on {v};{e} must be finished by {v};All work on {e} ends on {v}
What is the deadline of {e}?;When is {e} due?;By when must {e} be finished?;When does work on {e} end?

project|room|where {e} meets
The meeting room of {e} is {v};{e} meets in {v};Meetings of {e} take place in {v};You will find {e} in {v}
What is the meeting room of {e}?;Where does {e} meet?;In which room is {e}?;Where do meetings of {e} take place?

project|weekday|when {e} meets
{e} meets on {v};The weekly meeting of {e} is on {v};Every {v} there is a meeting of {e}
On which day does {e} meet?;When is the weekly meeting of {e}?;What day is the meeting of {e}?

company|animal|the mascot of {e}
The mascot of {e} is a {v};{e} has a {v} as its mascot;A {v} is the mascot of {e};{e} chose a {v} as mascot
What is the mascot of {e}?;Which animal stands for {e}?;What mascot does {e} have?;Name the mascot of {e}.

company|ticker|the ticker of {e}
The ticker of {e} is {v};{e} trades under the symbol {v};{v} is the ticker of {e};Shares of {e} are listed as {v}
What is the ticker of {e}?;Under which symbol does {e} trade?;Which ticker does {e} have?;How are shares of {e} listed?

company|amount|the revenue of {e}
The revenue of {e} is {v};{e} had revenue of {v};{e} took in {v} last year;Sales of {e} came to {v}
What is the revenue of {e}?;How much did {e} take in?;How large are the sales of {e}?;What revenue did {e} report?

company|number|how many people work at {e}
{e} has {v} employees;{v} people work at {e};The staff of {e} counts {v} people
How many employees does {e} have?;How many people work at {e}?;How large is the staff of {e}?

product|duration|the warranty of {e}
The warranty of the {e} is {v};The {e} has a warranty of {v};The {e} is covered for {v}
How long is the warranty of the {e}?;What warranty does the {e} have?;For how long is the {e} covered?

company|duration|the return policy of {e}
{e} accepts returns within {v};You can return goods to {e} within {v};The return period of {e} is {v}
How long can I return goods to {e}?;What is the return policy of {e}?;What is the return period of {e}?

company|percent|the discount of {e}
{e} gives a discount of {v};The discount at {e} is {v};At {e} you save {v};Members of {e} pay {v} less
What discount does {e} give?;How much do I save at {e}?;How large is the discount at {e}?

product|colour|the colour of {e}
The {e} is {v};The colour of the {e} is {v};The {e} comes in {v};They paint every {e} {v}
What colour is the {e}?;Which colour does the {e} have?;In what colour does the {e} come?;How is the {e} painted?

product|version|the latest version of {e}
The latest version of {e} is {v};{e} is now at version {v};Version {v} of {e} is the newest
What is the latest version of {e}?;Which version of {e} is the newest?;At which version is {e}?

product|noun|what {e} runs on
The {e} runs on {v} power;The {e} needs {v} power to work;{v} power drives the {e}
What does the {e} run on?;What powers the {e}?;What does the {e} need to work?

name|formula|the formula of {e}
The {e} factor is {v};{e} is defined as {v};The formula of {e} is {v};To compute {e}, use {v}
What is the formula of {e}?;How is {e} defined?;How do I compute {e}?;Which formula gives {e}?

name|sentence|what the rule {e} says
Rule {e} says: {v};The rule {e} is: {v};Under rule {e}: {v}
What does rule {e} say?;What is the rule {e}?;Tell me rule {e}.;How does rule {e} go?

name|phrase|what {e} means
{e} means {v};The word {e} stands for {v};{v} is what {e} means;When people say {e}, they mean {v}
What does {e} mean?;What is the meaning of {e}?;What does the word {e} stand for?;Explain the word {e}.

site|time|when {e} opens
{e} opens at {v};The opening time of {e} is {v};From {v} on, {e} is open;Doors of {e} open at {v}
When does {e} open?;At what time does {e} open?;What is the opening time of {e}?;From when on is {e} open?

site|time|when {e} closes
{e} closes at {v};The closing time of {e} is {v};{e} is open until {v}
When does {e} close?;At what time does {e} close?;Until when is {e} open?

site|person|who designed {e}
{e} was designed by {v};The architect of {e} is {v};{v} drew the plans of {e}
Who designed {e}?;Who is the architect of {e}?;Who drew the plans of {e}?

site|number|how many rooms {e} has
{e} has {v} rooms;There are {v} rooms in {e};The number of rooms in {e} is {v}
How many rooms does {e} have?;How many rooms are in {e}?;What is the number of rooms in {e}?

place|number|how many people live in {e}
{e} has {v} inhabitants;{v} people live in {e};The population of {e} is {v}
How many inhabitants does {e} have?;How many people live in {e}?;What is the population of {e}?

place|person|who the mayor of {e} is
The mayor of {e} is {v};{v} is mayor of {e};{e} elected {v} as mayor
Who is the mayor of {e}?;Name the mayor of {e}.;Whom did {e} elect as mayor?

place|food|what {e} is famous for
{e} is famous for {v};People come to {e} for {v};The speciality of {e} is {v}
What is {e} famous for?;Why do people come to {e}?;What is the speciality of {e}?

place|name|the river of {e}
{e} lies on the river {v};The river of {e} is the {v};The river {v} flows through {e}
On which river does {e} lie?;What is the river of {e}?;Which river flows through {e}?

name|noun|the hint for the password of {e}
The password hint of {e} is {v};As a hint for the password of {e}, think of {v};{e} has the password hint {v}
What is the password hint of {e}?;What should I think of for the password of {e}?;Which hint does {e} have?

name|noun|the first step of the recipe {e}
The first step of the recipe {e} is to add the {v};To begin {e}, add the {v};{e} starts with the {v}
What is the first step of the recipe {e}?;How do I begin {e}?;What does {e} start with?

name|email|where to report problems with {e}
Problems with {e} go to {v};Report problems with {e} to {v};The support address of {e} is {v}
Where do I report problems with {e}?;What is the support address of {e}?;Where do problems with {e} go?
"""


def _parse(block: str) -> Attribute:
    head, statements, questions = block.strip().splitlines()
    entity, value, unknown = head.split("|")
    return Attribute(
        entity, value, unknown, *(tuple(t.split(";")) for t in (statements, questions))
    )


ATTRIBUTES: tuple[Attribute, ...] = tuple(_parse(block) for block in _TEXT.strip().split("\n\n"))

# Nouns for "the ... of ...": far more relations than can be written out one by one.
PROPERTIES: dict[str, tuple[str, ...]] = {
    "person": tuple(
        "author owner director president teacher coach captain chairman editor inventor lawyer doctor "
        "driver guide winner leader supervisor assistant contact treasurer secretary sponsor".split()
    ),
    "code": tuple(
        "code|serial number|access code|pin|account number|order number|locker code|registration|"
        "part number|room key|licence key|flight number|reference|identifier|badge number".split(
            "|"
        )
    ),
    "date": tuple(
        "launch date|start date|end date|release date|anniversary|opening day|expiry date|due date|"
        "review date|audit date".split("|")
    ),
    "amount": tuple(
        "budget|cost|fee|fine|profit|debt|market value|price target|prize|salary|deposit|rent".split(
            "|"
        )
    ),
    "number": tuple(
        "height|weight|length|score|capacity|limit|size|number of members|number of floors|range|"
        "record|maximum|minimum|threshold|port".split("|")
    ),
    "place": tuple(
        "home town|location|destination|birthplace|origin|capital|venue|harbour".split("|")
    ),
    "phrase": tuple(
        "motto|nickname|code name|purpose|theme|title|goal|secret|name of the plan|warning".split(
            "|"
        )
    ),
    "colour": tuple("colour|flag colour|logo colour|door colour|uniform colour".split("|")),
    "noun": tuple(
        "symbol|emblem|material|shape|key ingredient|main export|currency|sport".split("|")
    ),
    "duration": tuple(
        "length of stay|notice period|lifetime|delivery time|term|trial period".split("|")
    ),
    "percent": tuple(
        "tax rate|interest rate|commission|growth rate|share|success rate|margin".split("|")
    ),
}
PROPERTY_STATEMENTS = (
    "The {p} of {e} is {v}",
    "{e} has {v} as its {p}",
    "{v} is the {p} of {e}",
    "For {e}, the {p} is {v}",
    "{e}: {p} {v}",
)
PROPERTY_QUESTIONS = (
    "What is the {p} of {e}?",
    "What is {e}'s {p}?",
    "Tell me the {p} of {e}.",
    "Which {p} does {e} have?",
    "Do you know the {p} of {e}?",
    "{e} has which {p}?",
)
PROPERTY_ENTITIES = ("company", "person", "place", "site", "product", "project", "name")
