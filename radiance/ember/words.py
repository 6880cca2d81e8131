"""Plain word lists and makers of invented names, numbers and codes. No MLX, no state.

Nothing a maker returns is meant to be remembered: pre-training draws fresh values each time, so
that the only way to answer is to read.
"""

# ruff: noqa: SIM905 - words are easier to read and to extend in running text.

import random
import string
from collections.abc import Callable

_NOUNS = """
account acid adapter address agent agreement air airport album alarm amount anchor angle animal
answer apple archive arm army article artist asset atom audit author average baby badge bag bakery
balance ball band bank barrel base basket battery beach bear bed bell belt bench bike bill bird
blanket block board boat body bond bone bonus book border boss bottle bottom bowl box brain branch
brand bread bridge brother budget builder building bus business button buyer cabin cable cake
calendar camera camp candle capital captain car card cargo carpet case cash castle cat cause cell
centre chain chair chance change channel chapter charge chart check cheese chef child choice church
circle city claim class clerk client clock cloud club coach coast coat code coffee coin college
colour column committee company computer concert condition contract cook copy corner cost cottage
country couple coupon course court cover credit crew crop crowd crown cup currency current curve
customer cycle data date daughter day deadline deal debt decade deck degree delay delivery demand
department deposit desert design desk detail device diamond diet dinner director discount disk
distance district dividend doctor document dog door draft dragon drawer dream dress drink driver
drop dust duty eagle ear earth east edge editor effect egg election electron email employee end
energy engine engineer entry envelope equity error event evidence example exchange exit expense
expert export eye fabric face fact factor factory family farm farmer father feather fee feedback
fence festival field figure file film filter finger fire firm fish flag floor flower folder food
foot forecast forest fork formula frame friend fruit fuel function fund future game garage garden
gas gate gift glass goal gold grade grain grant grass ground group growth guard guest guide guitar
hair half hall hammer hand harbour hat head heart heat hedge height hero hill history holder hole
holiday home honey horse hospital host hotel hour house hunter husband ice idea image import income
index industry inflation ink insect insurance interest inventory investor invoice iron island issue
item jacket job journal journey judge juice key kitchen knife label lake lamp land language laptop
law lawyer leader leaf league lemon lesson letter level library licence lid life light limit line
lion list liquid loan lock log loss lunch machine magnet manager manual map margin mark market
mascot mask mass match material matter meal measure meat medicine meeting member memory menu
message metal meter method microphone milk mill mind mine mineral minute mirror mission model
module molecule moment money monkey month moon morning mother motor mountain mouse mouth movie
museum music nail name nation neck needle nest network news night noise north nose note notice
number nurse object ocean offer office officer oil onion option orange orbit order organ owner
oxygen package page paint painter pair paper parcel parent park part partner party password path
patient pattern payment peace pen pencil people pepper percent period person phone photo phrase
piano picture piece pilot pipe place plan plane planet plant plate platform player pocket poem
poet point policy pool port portfolio position post potato powder power premium present president
pressure price prince principle printer prize process product profit program project promise proof
property protein pump purpose quality quarter queen question queue radio rain range rank rate ratio
reader reason receipt recipe record refund region report rest result return revenue reward rice
ring risk river road robot rock role roof room root rope route row rule salad salary sale salt
sample sand scale schedule school science score screen sea season seat second secret sector seed
sensor series server service session share sheet shelf shell ship shirt shoe shop shore side sign
signal silver sister site size skill skin sky slogan smoke snake snow soap soil soldier song sound
soup source south space speaker speed spice spider spoon sport spring square staff stage stairs
stamp standard star start state station steam steel stem step stock stone storage store storm story
stranger street strike string student studio style subject sugar suit summer sun supplier supply
support surface survey switch symbol system table tail tank target tax tea teacher team telescope
temple tenant tent term test text theatre theory thing thread threshold ticket tide tiger timber
time title today token tomato tomorrow tool tooth tour tower town toy track trade trader train tree
trend trial triangle trip truck trust truth tunnel turn twin uncle union unit universe update user
valley value vault vector vehicle vendor vessel view village visitor voice volatility volume voter
voucher wage wall warehouse warranty watch water wave way wealth weather week weight well west wheel
whisper wife wind window wine winner winter wire witness wolf woman wood word work worker world
writer yard year yield zone
"""
_ADJECTIVES = """
able amber ancient annual average bad bare basic beautiful big bitter black blank blue bold brave
brief bright broad broken brown busy calm careful cheap clean clear clever cold common complete
cool correct crimson curious current daily damp dark deep digital direct dry dull eager early easy
eastern electric empty equal exact extra fair faithful famous fast final fine firm first flat formal
free fresh friendly full gentle giant glad global golden good grand great green grey half happy hard
heavy hidden high hollow honest hot huge human idle important inner internal invisible kind large
last late lazy left legal light little local long loose loud low lucky main major mean minor modern
monthly narrow natural neat new next nice noisy northern odd old open orange ordinary outer pale
perfect plain pleasant polite poor possible practical pretty private proper proud public pure purple
quick quiet random rapid rare ready real recent red regular remote rich right ripe rough round royal
rusty sad safe scarlet second secret serious shallow sharp short silent silver simple single slow
small smart smooth soft solid sour southern special spare square steady steep stiff strange strict
strong sudden sweet swift tall tender thick thin tidy tiny total tough turquoise upper useful usual
valid vast violet warm weak weekly western wet white whole wide wild wise wooden wrong yearly yellow
young
"""
_VERBS = """
accept add agree answer appear apply approve arrive ask avoid bake bring build buy call carry
change charge check choose clean close collect compare complete connect contain continue control
cook copy count cover create cross cut decide deliver depend describe design discover divide draw
drink drive drop earn eat enter exist expect explain fail fall feed feel fetch fight fill find
finish fix float flow fly follow forget gain gather give grow happen hear help hide hold hope hunt
improve include increase inform invest invite join jump keep know launch lead learn leave lend
lift like listen live load lose love make manage mark match mean measure meet melt mix move need
notice offer open order own paint park pass pay plan plant play point prefer prepare press print
produce promise protect prove publish pull push put raise reach read receive record reduce refuse
release remember remove rent repair repeat replace reply report request require rest return ride
rise rise roll run save search sell send serve share show sign sing sit sleep solve speak spend
stand start stay stop store study succeed suggest supply support swim take talk teach tell test
think throw touch trade train travel treat try turn use visit wait walk want warn wash watch wear
win work worry write
"""
_FUNCTION_WORDS = """
a about above across after again against all almost along already also although always among an and
another any are around as at away back be because been before behind being below between both but by
can cannot could did do does doing done down during each either else enough even ever every few for
from further had has have he her here hers him his how however i if in inside instead into is it its
just least less many may me might mine more most much must my near neither never no nobody none nor
not nothing now of off often on once one only or other our out outside over own perhaps please
rather
same she should since so some soon still such than that the their them then there these they this
those though through thus to together too toward under until up upon us very was we were what when
where whether which while who whom whose why will with within without would yes yet you your
"""
NOUNS, ADJECTIVES, VERBS, FUNCTION_WORDS = (
    tuple(text.split()) for text in (_NOUNS, _ADJECTIVES, _VERBS, _FUNCTION_WORDS)
)
COLOURS = tuple(
    "red blue green yellow orange purple black white grey brown pink silver gold crimson turquoise "
    "amber violet scarlet navy teal".split()
)
FOODS = tuple(
    "lemon tart|mushroom soup|rice pudding|roast pepper|apple pie|noodle salad|blue cheese|"
    "garlic bread|plum jam|onion rings|potato cake|fish stew|honey toast|lentil curry|fried egg|"
    "pear crumble|bean chilli|tomato pasta|cherry cake|oat porridge".split("|")
)
ANIMALS = tuple(
    "otter fox badger heron owl tiger dolphin turtle panda lynx falcon beaver penguin gecko koala "
    "hedgehog raven moose squirrel walrus parrot wolf bear rabbit goat swan octopus bee".split()
)
MONTHS = tuple(
    "January February March April May June July August September October November December".split()
)
WEEKDAYS = tuple("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split())
FIRST_NAMES = tuple(
    "Ada Amir Anna Ben Bruno Carla Chen Clara Daniel David Diego Elena Emma Eva Farah Felix Grace "
    "Hana Hugo Ida Ines Ivan Jack James Jane Joan John Jonas Julia Karim Kenji Lara Lena Leo Liam "
    "Lucas Lucy Maria Mark Marta Mary Maya Mei Mia Mina Nadia Nina Noah Nora Olga Omar Oscar Paul "
    "Pedro Peter Priya Rosa Ruth Sam Sara Sofia Tariq Theo Tom Uma Vera Victor Wei Yara Yuki "
    "Zoe".split()
)
_ONSETS = (
    "b br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sh sk sl st str t th tr "
    "v vr w x y z zh".split()
    + "b c d f g h k l m n p r s t v w z".split() * 4
)
_VOWELS = "a e i o u a e i o u a e i o u a e i o u ai ea ee ia io oa ou y".split()
_CODAS = "b ck d g k l ll m n nd ng nt p r rk rn s sh ss st t th v x z".split() + [""] * 26
_COMPANY_TAILS = tuple(
    "Labs|Industries|Works|Systems|Holdings|Foods|Bank|Energy|Group|Partners|Logistics|Capital|"
    "Robotics|Media|Pharma|Airlines|Motors|Studio|Software|Insurance|Trading|Mining|Textiles|Inc|"
    "Ltd|& Co|Bakery|Books|Institute|Foundation".split("|")
)
_PLACE_TAILS = "ford ton burg ville haven field port mouth wick stad grad minster holm dale".split()
_ROLES = "Hotel House Hall Tower Station Bridge Museum Harbour Park Library Clinic Market".split()
_OPERATORS = "ts_rank ts_delta ts_mean ts_std ts_sum ts_min ts_max delay decay_linear".split()
_FIELDS = "close open high low volume vwap returns cap".split()


def syllables(rng: random.Random, least: int = 1, most: int = 3) -> str:
    """An invented lower-case word."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
        for _ in range(rng.randint(least, most))
    )


def name(rng: random.Random) -> str:
    """An invented capitalised word."""
    return syllables(
        rng, 2 if rng.random() < 0.6 else 1, 3 if rng.random() < 0.3 else 2
    ).capitalize()


def person(rng: random.Random) -> str:
    """A person's first and last name, at least one of them invented."""
    first = rng.choice(FIRST_NAMES) if rng.random() < 0.5 else name(rng)
    return f"{first} {name(rng)}"


def company(rng: random.Random) -> str:
    """An invented organisation."""
    head = name(rng) if rng.random() < 0.75 else rng.choice(ADJECTIVES + NOUNS).capitalize()
    return f"{head} {rng.choice(_COMPANY_TAILS)}" if rng.random() < 0.75 else head + name(rng)


def place(rng: random.Random) -> str:
    """An invented town."""
    return syllables(rng, 1, 2).capitalize() + rng.choice([*_PLACE_TAILS, "", ""])


def site(rng: random.Random) -> str:
    """An invented building or venue."""
    return f"{name(rng)} {rng.choice(_ROLES)}"


def product(rng: random.Random) -> str:
    """An invented product."""
    kind = rng.random()
    if kind < 0.35:
        return f"{name(rng)} {rng.randint(1, 99)}"
    if kind < 0.7:
        return f"{name(rng)} {rng.choice(NOUNS)}"
    return f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}".title()


def project(rng: random.Random) -> str:
    """An invented project or team."""
    head = name(rng) if rng.random() < 0.6 else rng.choice(NOUNS).capitalize()
    return rng.choice(
        ("Project {}", "project {}", "Team {}", "the {} team", "the {} project")
    ).format(head)


def code(rng: random.Random) -> str:
    """A code with letters, digits and separators of a random shape."""

    def letters(count: int) -> str:
        return "".join(rng.choices(string.ascii_uppercase, k=count))

    def digits(count: int) -> str:
        return "".join(rng.choices(string.digits, k=count))

    shape = rng.randrange(6)
    if shape == 0:
        return digits(rng.randint(3, 6))
    if shape == 1:
        return f"{letters(rng.randint(1, 3))}-{digits(rng.randint(2, 5))}"
    if shape == 2:
        return f"{letters(2)}{digits(3)}{letters(1)}"
    if shape == 3:
        return "".join(rng.choices("0123456789abcdef", k=rng.randint(4, 8)))
    if shape == 4:
        return f"{digits(2)}-{letters(2)}-{digits(2)}"
    return f"{syllables(rng)}{rng.choice('-_.#')}{digits(rng.randint(1, 4))}"


def phrase(rng: random.Random) -> str:
    """Two to five lower-case words, a slogan or a hint."""
    words = [rng.choice(ADJECTIVES), rng.choice(NOUNS)]
    kinds = (NOUNS, ADJECTIVES, VERBS, FUNCTION_WORDS)
    words += [rng.choice(rng.choice(kinds)) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.5:
        rng.shuffle(words)
    return " ".join(words)


def date(rng: random.Random) -> str:
    """A date in one of four notations."""
    day, month, year = rng.randint(1, 28), rng.randrange(12), rng.randint(1950, 2049)
    return rng.choice(
        (
            f"{day} {MONTHS[month]}",
            f"{MONTHS[month]} {day}",
            f"{day} {MONTHS[month]} {year}",
            f"{year}-{month + 1:02d}-{day:02d}",
        )
    )


def amount(rng: random.Random) -> str:
    """A price or a sum of money."""
    value = rng.choice((f"{rng.randint(1, 999)}", f"{rng.randint(1, 99)}.{rng.randint(10, 99)}"))
    scale = rng.choice(("", "", "", " million", " billion"))
    return rng.choice(
        (
            f"${value}{scale}",
            f"{value}{scale} euros",
            f"{value}{scale} dollars",
            f"{value}{scale} pounds",
        )
    )


def duration(rng: random.Random) -> str:
    """A number of days, weeks, months, years, minutes or hours."""
    units = ("days", "weeks", "months", "years", "minutes", "hours")
    return f"{rng.randint(2, 90)} {rng.choice(units)}"


def email(rng: random.Random) -> str:
    """An invented address under a reserved domain name."""
    user = rng.choice((syllables(rng), rng.choice(NOUNS), f"{syllables(rng)}.{syllables(rng)}"))
    return f"{user}@{syllables(rng)}.{rng.choice(('example', 'test', 'com', 'org', 'net'))}"


def formula(rng: random.Random) -> str:
    """A short formula over daily prices."""
    inner = f"{rng.choice(_OPERATORS)}({rng.choice(_FIELDS)}, {rng.randint(2, 60)})"
    kind = rng.randrange(5)
    if kind == 0:
        return inner
    if kind == 1:
        return f"-1 * {inner}"
    if kind == 2:
        return f"rank({inner})"
    if kind == 3:
        return f"{rng.choice(_FIELDS)} / {inner} - 1"
    return f"correlation({rng.choice(_FIELDS)}, {rng.choice(_FIELDS)}, {rng.randint(2, 60)})"


def room(rng: random.Random) -> str:
    """A meeting room."""
    return rng.choice((f"room {rng.randint(1, 499)}", f"the {name(rng)} room", f"Room {code(rng)}"))


def sentence(rng: random.Random) -> str:
    """A sentence with English word order and no other sense."""
    adjective, noun, verb = (rng.choice(words) for words in (ADJECTIVES, NOUNS, VERBS))
    return rng.choice(
        (
            f"The {adjective} {noun} will {verb} the {rng.choice(NOUNS)}.",
            f"You should {verb} the {noun} before the {rng.choice(NOUNS)}.",
            f"Please {verb} every {adjective} {noun} on {rng.choice(WEEKDAYS)}.",
            f"We never {verb} a {noun} without the {adjective} {rng.choice(NOUNS)}.",
            f"If the {noun} is {adjective}, {verb} it with a {rng.choice(NOUNS)}.",
            f"{rng.choice(FIRST_NAMES)} wants to {verb} the {adjective} {noun}.",
        )
    )


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "person": person,
    "company": company,
    "place": place,
    "site": site,
    "product": product,
    "project": project,
    "code": code,
    "phrase": phrase,
    "date": date,
    "amount": amount,
    "duration": duration,
    "email": email,
    "formula": formula,
    "room": room,
    "name": name,
    "sentence": lambda rng: sentence(rng)[:-1],
    "colour": lambda rng: rng.choice(COLOURS),
    "food": lambda rng: (
        rng.choice(FOODS) if rng.random() < 0.5 else f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}"
    ),
    "animal": lambda rng: (
        f"{rng.choice(ADJECTIVES)} {rng.choice(ANIMALS)}"
        if rng.random() < 0.5
        else rng.choice(ANIMALS)
    ),
    "noun": lambda rng: rng.choice(NOUNS),
    "year": lambda rng: str(rng.randint(1700, 2099)),
    "number": lambda rng: str(rng.randint(2, 10 ** rng.randint(1, 4))),
    "percent": lambda rng: f"{rng.randint(1, 99)}{rng.choice(('%', ' percent', '.5%'))}",
    "phone": lambda rng: (
        "".join(rng.choices(string.digits, k=3)) + "-" + "".join(rng.choices(string.digits, k=4))
    ),
    "ticker": lambda rng: "".join(rng.choices(string.ascii_uppercase, k=rng.randint(3, 4))),
    "time": lambda rng: f"{rng.randint(0, 23)}:{rng.choice(('00', '15', '30', '45'))}",
    "weekday": lambda rng: rng.choice(WEEKDAYS),
    "version": lambda rng: f"{rng.randint(0, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}",
}
