"""Rows of the tables of nature, one fact a line, fields divided by ``|``."""

SCIENCE_ROWS: dict[str, str] = {
    "elements": """
hydrogen|H|1
helium|He|2
lithium|Li|3
carbon|C|6
nitrogen|N|7
oxygen|O|8
fluorine|F|9
neon|Ne|10
sodium|Na|11
magnesium|Mg|12
aluminium|Al|13
silicon|Si|14
phosphorus|P|15
sulphur|S|16
chlorine|Cl|17
argon|Ar|18
potassium|K|19
calcium|Ca|20
titanium|Ti|22
chromium|Cr|24
iron|Fe|26
cobalt|Co|27
nickel|Ni|28
copper|Cu|29
zinc|Zn|30
bromine|Br|35
silver|Ag|47
tin|Sn|50
iodine|I|53
tungsten|W|74
platinum|Pt|78
gold|Au|79
mercury|Hg|80
lead|Pb|82
uranium|U|92
plutonium|Pu|94
""",
    "planets": """
Mercury|1|first
Venus|2|second
Earth|3|third
Mars|4|fourth
Jupiter|5|fifth
Saturn|6|sixth
Uranus|7|seventh
Neptune|8|eighth
""",
    "sky": """
largest planet|which planet is the largest|The largest planet is Jupiter
smallest planet|which planet is the smallest|The smallest planet is Mercury
hottest planet|which planet is the hottest|The hottest planet is Venus
red planet|which planet is called the red planet|The red planet is Mars
rings|which planet is famous for its rings|Saturn is famous for its rings
our star|which star is nearest to the Earth|The star nearest to the Earth is the Sun
moon|what moves around the Earth|The Moon moves around the Earth
galaxy|in which galaxy do we live|We live in the Milky Way
light|what is faster than sound|Light is faster than sound
year|how long does the Earth need to go around the Sun|The Earth needs one year to go around the Sun
""",
    "young": """
dog|puppy
cat|kitten
cow|calf
sheep|lamb
goat|kid
horse|foal
pig|piglet
hen|chick
duck|duckling
goose|gosling
swan|cygnet
bear|cub
deer|fawn
frog|tadpole
kangaroo|joey
hare|leveret
owl|owlet
eagle|eaglet
spider|spiderling
butterfly|caterpillar
seal|pup
""",
    "sounds": """
dog|barks
cat|meows
cow|moos
sheep|bleats
horse|neighs
pig|grunts
lion|roars
wolf|howls
duck|quacks
hen|clucks
rooster|crows
snake|hisses
bee|buzzes
frog|croaks
mouse|squeaks
donkey|brays
pigeon|coos
cricket|chirps
goose|honks
owl|hoots
bear|growls
monkey|chatters
""",
    "classes": """
whale|a mammal
dolphin|a mammal
bat|a mammal
elephant|a mammal
penguin|a bird
ostrich|a bird
sparrow|a bird
parrot|a bird
crocodile|a reptile
lizard|a reptile
turtle|a reptile
cobra|a reptile
frog|an amphibian
newt|an amphibian
toad|an amphibian
shark|a fish
salmon|a fish
trout|a fish
ant|an insect
beetle|an insect
moth|an insect
wasp|an insect
scorpion|an arachnid
tarantula|an arachnid
squid|a mollusc
snail|a mollusc
crab|a crustacean
lobster|a crustacean
""",
    "shapes": """
triangle|3
square|4
rectangle|4
pentagon|5
hexagon|6
heptagon|7
octagon|8
nonagon|9
decagon|10
dodecagon|12
""",
    "units": """
seconds minute|minute|seconds|60
minutes hour|hour|minutes|60
hours day|day|hours|24
days week|week|days|7
months year|year|months|12
years decade|decade|years|10
years century|century|years|100
years millennium|millennium|years|1000
metres kilometre|kilometre|metres|1000
centimetres metre|metre|centimetres|100
millimetres centimetre|centimetre|millimetres|10
grams kilogram|kilogram|grams|1000
kilograms tonne|tonne|kilograms|1000
millilitres litre|litre|millilitres|1000
inches foot|foot|inches|12
feet yard|yard|feet|3
ounces pound|pound|ounces|16
cents dollar|dollar|cents|100
bits byte|byte|bits|8
degrees circle|full circle|degrees|360
items dozen|dozen|items|12
quarters year|financial year|quarters|4
""",
    "measures": """
force|newton
energy|joule
power|watt
pressure|pascal
electric current|ampere
voltage|volt
resistance|ohm
frequency|hertz
length|metre
mass|kilogram
time|second
temperature|kelvin
electric charge|coulomb
magnetic flux|weber
luminous intensity|candela
amount of substance|mole
""",
    "compounds": """
water|H2O
carbon dioxide|CO2
carbon monoxide|CO
table salt|NaCl
ammonia|NH3
methane|CH4
ozone|O3
hydrochloric acid|HCl
sulphuric acid|H2SO4
nitric acid|HNO3
hydrogen peroxide|H2O2
glucose|C6H12O6
ethanol|C2H5OH
quartz|SiO2
chalk|CaCO3
rust|Fe2O3
""",
}
