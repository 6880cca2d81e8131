"""Rows of the tables of language, countries and society: fields divided by ``|``."""

# ruff: noqa: SIM905 - words are easier to read and to extend in running text.

COUNTRIES = """
France|Paris|Europe|euro|French
Germany|Berlin|Europe|euro|German
Italy|Rome|Europe|euro|Italian
Spain|Madrid|Europe|euro|Spanish
Portugal|Lisbon|Europe|euro|Portuguese
Austria|Vienna|Europe|euro|German
Greece|Athens|Europe|euro|Greek
Finland|Helsinki|Europe|euro|Finnish
Poland|Warsaw|Europe|zloty|Polish
Hungary|Budapest|Europe|forint|Hungarian
Sweden|Stockholm|Europe|krona|Swedish
Norway|Oslo|Europe|krone|Norwegian
Denmark|Copenhagen|Europe|krone|Danish
Iceland|Reykjavik|Europe|krona|Icelandic
Romania|Bucharest|Europe|leu|Romanian
Ukraine|Kyiv|Europe|hryvnia|Ukrainian
Russia|Moscow|Europe|rouble|Russian
Albania|Tirana|Europe|lek|Albanian
Serbia|Belgrade|Europe|dinar|Serbian
Croatia|Zagreb|Europe|euro|Croatian
Japan|Tokyo|Asia|yen|Japanese
China|Beijing|Asia|yuan|Mandarin
India|New Delhi|Asia|rupee|Hindi
Thailand|Bangkok|Asia|baht|Thai
Vietnam|Hanoi|Asia|dong|Vietnamese
Iran|Tehran|Asia|rial|Persian
Iraq|Baghdad|Asia|dinar|Arabic
Turkey|Ankara|Asia|lira|Turkish
Jordan|Amman|Asia|dinar|Arabic
Mongolia|Ulaanbaatar|Asia|tugrik|Mongolian
Nepal|Kathmandu|Asia|rupee|Nepali
Bangladesh|Dhaka|Asia|taka|Bengali
Saudi Arabia|Riyadh|Asia|riyal|Arabic
South Korea|Seoul|Asia|won|Korean
Indonesia|Jakarta|Asia|rupiah|Indonesian
Malaysia|Kuala Lumpur|Asia|ringgit|Malay
Cambodia|Phnom Penh|Asia|riel|Khmer
Egypt|Cairo|Africa|pound|Arabic
Kenya|Nairobi|Africa|shilling|Swahili
Ghana|Accra|Africa|cedi|English
Nigeria|Abuja|Africa|naira|English
Ethiopia|Addis Ababa|Africa|birr|Amharic
Morocco|Rabat|Africa|dirham|Arabic
Angola|Luanda|Africa|kwanza|Portuguese
Senegal|Dakar|Africa|franc|French
Somalia|Mogadishu|Africa|shilling|Somali
Zambia|Lusaka|Africa|kwacha|English
Brazil|Brasilia|South America|real|Portuguese
Peru|Lima|South America|sol|Spanish
Chile|Santiago|South America|peso|Spanish
Colombia|Bogota|South America|peso|Spanish
Argentina|Buenos Aires|South America|peso|Spanish
Paraguay|Asuncion|South America|guarani|Spanish
Uruguay|Montevideo|South America|peso|Spanish
Mexico|Mexico City|North America|peso|Spanish
Canada|Ottawa|North America|dollar|English
Cuba|Havana|North America|peso|Spanish
Jamaica|Kingston|North America|dollar|English
Honduras|Tegucigalpa|North America|lempira|Spanish
Guatemala|Guatemala City|North America|quetzal|Spanish
Australia|Canberra|Oceania|dollar|English
New Zealand|Wellington|Oceania|dollar|English
"""

LANGUAGE_ROWS: dict[str, str] = {
    "opposites": "\n".join(
        "hot|cold;big|small;tall|short;fast|slow;happy|sad;early|late;light|dark;rich|poor;"
        "hard|soft;strong|weak;open|closed;full|empty;wet|dry;clean|dirty;new|old;young|aged;"
        "high|low;deep|shallow;wide|narrow;thick|thin;loud|quiet;sharp|blunt;smooth|rough;"
        "heavy|weightless;sweet|sour;safe|dangerous;cheap|expensive;near|far;first|last;"
        "right|wrong;true|false;alive|dead;awake|asleep;brave|cowardly;polite|rude;simple|complex;"
        "public|private;ancient|modern;maximum|minimum;positive|negative;victory|defeat;"
        "love|hate;war|peace;day|night;summer|winter;north|south;east|west;up|down;left|right;"
        "inside|outside;above|below;before|after;always|never;arrive|depart;buy|sell;push|pull;"
        "win|lose;remember|forget;accept|refuse;begin|end;import|export;profit|loss;"
        "asset|liability;increase|decrease;question|answer".split(";")
    ),
    "plurals": "\n".join(
        "child|children;man|men;woman|women;foot|feet;tooth|teeth;goose|geese;mouse|mice;ox|oxen;"
        "person|people;leaf|leaves;knife|knives;wolf|wolves;life|lives;wife|wives;half|halves;"
        "shelf|shelves;city|cities;baby|babies;berry|berries;box|boxes;bus|buses;dish|dishes;"
        "church|churches;hero|heroes;potato|potatoes;tomato|tomatoes;crisis|crises;"
        "analysis|analyses;cactus|cacti;fungus|fungi;index|indices;criterion|criteria;"
        "phenomenon|phenomena;datum|data;medium|media;sheep|sheep;deer|deer;fish|fish".split(";")
    ),
    "past": "\n".join(
        "go|went;eat|ate;see|saw;take|took;give|gave;write|wrote;drive|drove;speak|spoke;"
        "break|broke;choose|chose;begin|began;drink|drank;swim|swam;sing|sang;ring|rang;run|ran;"
        "come|came;become|became;know|knew;grow|grew;fly|flew;draw|drew;throw|threw;blow|blew;"
        "buy|bought;bring|brought;think|thought;teach|taught;catch|caught;fight|fought;"
        "sell|sold;tell|told;hold|held;keep|kept;sleep|slept;feel|felt;leave|left;lose|lost;"
        "build|built;send|sent;spend|spent;find|found;stand|stood;understand|understood;"
        "make|made;pay|paid;say|said;hear|heard;win|won;meet|met;forget|forgot;freeze|froze;"
        "hide|hid;wear|wore;rise|rose".split(";")
    ),
    "colours": "\n".join(
        "grass|green;snow|white;coal|black;blood|red;the sky on a clear day|blue;"
        "a ripe banana|yellow;a carrot|orange;chocolate|brown;a ripe strawberry|red;"
        "a lime|green;milk|white;"
        "a flamingo|pink;an aubergine|purple;an elephant|grey;a lemon|yellow;a raven|black;"
        "a ruby|red;an emerald|green;a sapphire|blue;a polar bear|white;spinach|green;"
        "a fire engine|red;a pumpkin|orange;rust|reddish brown".split(";")
    ),
    "tools": "\n".join(
        "a hammer|drive nails;a saw|cut wood;a broom|sweep the floor;a needle|sew cloth;"
        "a thermometer|measure temperature;a barometer|measure air pressure;a compass|find north;"
        "a telescope|look at the stars;a microscope|look at tiny things;an umbrella|stay dry;"
        "a key|open a lock;an oven|bake bread;a kettle|boil water;a calculator|do sums;"
        "a calendar|keep track of dates;a ruler|measure length;a pen|write on paper;"
        "a camera|take pictures;a ladder|climb up high;a shovel|dig a hole;a clock|tell the time;"
        "a dictionary|look up words;a fridge|keep food cold;scissors|cut paper".split(";")
    ),
    "work": "\n".join(
        "a teacher|a school;a doctor|a hospital;a judge|a court;a baker|a bakery;a chef|a kitchen;"
        "a farmer|the fields;a pilot|a cockpit;a librarian|a library;a banker|a bank;"
        "a chemist|a laboratory;an actor|a theatre;a sailor|a ship;a miner|a mine;"
        "a waiter|a restaurant;a mechanic|a garage;a potter|a pottery;a gardener|a garden;"
        "a trader|a stock exchange;an astronomer|an observatory;a barber|a barber shop".split(";")
    ),
}

SOCIETY_ROWS: dict[str, str] = {
    "books": """
Hamlet|William Shakespeare
Don Quixote|Miguel de Cervantes
War and Peace|Leo Tolstoy
Crime and Punishment|Fyodor Dostoevsky
Pride and Prejudice|Jane Austen
Jane Eyre|Charlotte Bronte
Wuthering Heights|Emily Bronte
Oliver Twist|Charles Dickens
Moby-Dick|Herman Melville
The Odyssey|Homer
The Divine Comedy|Dante Alighieri
Faust|Johann Wolfgang von Goethe
Les Miserables|Victor Hugo
Madame Bovary|Gustave Flaubert
The Three Musketeers|Alexandre Dumas
Around the World in Eighty Days|Jules Verne
Ulysses|James Joyce
The Trial|Franz Kafka
The Magic Mountain|Thomas Mann
1984|George Orwell
Brave New World|Aldous Huxley
The Hobbit|J. R. R. Tolkien
The Old Man and the Sea|Ernest Hemingway
The Great Gatsby|F. Scott Fitzgerald
The Grapes of Wrath|John Steinbeck
Frankenstein|Mary Shelley
Dracula|Bram Stoker
Treasure Island|Robert Louis Stevenson
The Jungle Book|Rudyard Kipling
The Time Machine|H. G. Wells
Alice in Wonderland|Lewis Carroll
Peter Pan|J. M. Barrie
The Adventures of Tom Sawyer|Mark Twain
Little Women|Louisa May Alcott
Walden|Henry David Thoreau
The Republic|Plato
The Wealth of Nations|Adam Smith
The Prince|Niccolo Machiavelli
The Seagull|Anton Chekhov
The Little Prince|Antoine de Saint-Exupery
""",
    "inventors": """
the telephone|Alexander Graham Bell
dynamite|Alfred Nobel
the theory of relativity|Albert Einstein
the theory of evolution|Charles Darwin
the law of gravity|Isaac Newton
the printing press|Johannes Gutenberg
penicillin|Alexander Fleming
the discovery of radium|Marie Curie
the periodic table|Dmitri Mendeleev
the first vaccine|Edward Jenner
pasteurisation|Louis Pasteur
the steam engine|James Watt
the electric battery|Alessandro Volta
the World Wide Web|Tim Berners-Lee
the first computer program|Ada Lovelace
the laws of heredity|Gregor Mendel
X-rays|Wilhelm Roentgen
the radio|Guglielmo Marconi
the first powered flight|the Wright brothers
the diesel engine|Rudolf Diesel
the sewing machine|Elias Howe
the incompleteness theorems|Kurt Goedel
the laws of planetary motion|Johannes Kepler
the heliocentric system|Nicolaus Copernicus
the lightning rod|Benjamin Franklin
the Turing machine|Alan Turing
""",
    "states": """
Alabama|Montgomery
Alaska|Juneau
Arizona|Phoenix
Arkansas|Little Rock
California|Sacramento
Colorado|Denver
Connecticut|Hartford
Delaware|Dover
Florida|Tallahassee
Georgia|Atlanta
Hawaii|Honolulu
Idaho|Boise
Illinois|Springfield
Indiana|Indianapolis
Iowa|Des Moines
Kansas|Topeka
Kentucky|Frankfort
Louisiana|Baton Rouge
Maine|Augusta
Maryland|Annapolis
Massachusetts|Boston
Michigan|Lansing
Minnesota|Saint Paul
Mississippi|Jackson
Missouri|Jefferson City
Montana|Helena
Nebraska|Lincoln
Nevada|Carson City
New Jersey|Trenton
New Mexico|Santa Fe
New York|Albany
North Carolina|Raleigh
Ohio|Columbus
Oklahoma|Oklahoma City
Oregon|Salem
Pennsylvania|Harrisburg
Tennessee|Nashville
Texas|Austin
Utah|Salt Lake City
Vermont|Montpelier
Virginia|Richmond
Washington|Olympia
Wisconsin|Madison
Wyoming|Cheyenne
""",
    "landmarks": """
the Eiffel Tower|Paris
the Colosseum|Rome
Big Ben|London
the Brandenburg Gate|Berlin
the Acropolis|Athens
the Statue of Liberty|New York
the Golden Gate Bridge|San Francisco
the Great Pyramid|Egypt
the Taj Mahal|India
the Great Wall|China
Mount Fuji|Japan
Machu Picchu|Peru
the Sydney Opera House|Australia
the Kremlin|Moscow
the Hermitage|Saint Petersburg
the Little Mermaid|Copenhagen
the Sagrada Familia|Barcelona
Mount Kilimanjaro|Tanzania
Niagara Falls|North America
the Sahara|Africa
the Amazon rainforest|South America
Angkor Wat|Cambodia
Petra|Jordan
the Leaning Tower|Pisa
""",
    "finance": """
a share|a part of the ownership of a company
a bond|a loan that investors make to a company or a state
a dividend|a part of the profit that a company pays to its owners
inflation|a general rise of prices
deflation|a general fall of prices
volatility|a measure of how much a price moves
liquidity|how easily something can be sold without moving its price
a portfolio|a collection of investments
hedging|taking a position that offsets a risk
leverage|investing with borrowed money
a short sale|the sale of a borrowed asset in the hope of a lower price
an option|the right to buy or sell something at a fixed price
a future|a contract to trade something at a fixed price on a later day
an index fund|a fund that follows a market index
market capitalisation|the price of a share times the number of shares
a bull market|a market in which prices rise
a bear market|a market in which prices fall
the spread|the difference between the ask price and the bid price
a broker|someone who trades on behalf of others
interest|the price paid for borrowing money
collateral|something of value that secures a loan
diversification|spreading money over many investments
drawdown|the fall from a peak to a later low
alpha|the return above what the market explains
beta|a measure of how strongly an asset moves with the market
the Sharpe ratio|the mean excess return divided by its standard deviation
arbitrage|profit without risk from a difference in prices
a stop order|an order that becomes active at a set price
an audit|an independent check of accounts
revenue|the money that a company takes in from sales
equity|what remains of assets after debts are paid
momentum|the tendency of recent winners to go on winning
""",
}
