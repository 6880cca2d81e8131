"""Words that ask for the same in questions about things and people: a small, closed table.

A word may stand in several groups. What a group says is only that two questions may well ask for
the same; nothing is answered or learned by it where another known question fits as well.
"""

_TABLE = """
found founded founder founders founding established establish started start starts began begin
    created creator set launched launch origin
lead leads led leader head heads headed boss chief runs run manages manager manage director
    charge ceo president responsible
own owns owned owner owners belong belongs possess proprietor
wrote write writes written author writer book novel penned
made make makes maker produce produces producer product products sell sells manufacture
price cost costs charge charges fee fees pay rent rate expensive spend
salary earn earns paid wage income
address office located location where place find situated headquarters seat site based sits stands
born birth birthplace birthday birthdate
died death dead passed
live lives lived home reside resides residence
door entry enter entrance into access unlock inside
code pin digits combination
password passphrase login credentials
wifi internet online network wireless connect
ticker symbol listed
report reports results figures earnings due publish published
opens open opening hours
open opens opened unlock unlocks unlocked
build builds built builder builders make makes made maker construct constructed
closes close closing shut
when date day time year month hours deadline due
deadline due finished finish end ends ready complete until
begins begin starts start commence
phone telephone number call reach ring
email mail contact reach write
colour color coloured painted
size big large tall high long wide area
weight weigh weighs heavy
age old
job profession occupation occupations work works does career employed
mother father parents parent mom dad mum
wife husband spouse married partner
son daughter child children kids
study studied educated education school university degree college
award awards prize prizes honour honor recognition won accolade accolades
genre style kind type sort category
language speak speaks spoken tongue
capital city town
country nation nationality
name named called title
full complete entire whole
gender sex male female man woman
religion faith belief
influence influenced influences inspire inspired inspiration shaped shape impact affect affected
theme themes topic topics subject subjects motif motifs
famous known notable renowned celebrated recognised recognized
reason why because cause purpose
way how manner method
modem router
restart reboot rebooted reset
lunch meal food served menu
meeting meet meets appointment
boat ship vessel
car vehicle
doctor physician
lawyer attorney
film movie picture
buy purchase bought order orders ordered ordering
help assist support
hobby hobbies pastime interests
fail fails failed broken break breaks broke down defect defective
collect collects collected collection pickup pick picks picked
allergic allergy allergies
away gone absent holiday vacation
chair chairs seat seats
supply supplies supplied supplier provide provides provider vendor deliver delivers delivered
repair repairs repaired repairer fix fixes fixed mend mends mended
rubbish trash garbage waste bin bins
flat apartment
parcel parcels package packages
clean cleans cleaned cleaner cleaning tidy
insurance insurer insurers insure insures insured
"""


def _groups() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    lines = _TABLE.replace("\n    ", " ").strip().splitlines()
    for number, line in enumerate(lines):
        for word in line.split():
            found.setdefault(word, set()).add(number)
    return {word: frozenset(numbers) for word, numbers in found.items()}


GROUPS: dict[str, frozenset[int]] = _groups()
"""The groups of each word of the table, in lower case."""
