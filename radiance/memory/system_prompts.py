"""Whether a system prompt changes anything of what is asked after it. Pure.

Most chat front ends send one with every request. That somebody is a helpful assistant, what day it
is, who asks and from where, "answer briefly", "use Markdown": the stored answer to a question about
a fact is as right after it as without it. So every sentence of such a prompt is made of words of a
closed list, beside names and numbers where it says who somebody is and when it is. A language, a
character, a form, a fact, or any other word makes it one that may change the answer.
"""

import re

from radiance.memory.analysis import Words, plain, take_apart
from radiance.records.text import remembered

_MOST_TEXTS = 64
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_MARKUP = re.compile(r"^[\s#>*•–—-]+|[*_`]{1,3}|<\|\w+\|>")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_NUMBER = r"(?:one|two|three|four|five|a few|\d+)"
# Left out before the words are looked at: each says "no" or "as" of nothing that is asked.
_PHRASES = re.compile(
    r"\b(?:"
    r"(?:do not|don['’]t|never|please don['’]t|avoid|without|no)"
    r"(?: (?:use|using|add|include|write|provide|give))?(?: (?:any|unnecessary|long|the))*"
    r" (?:emojis?|markdown|bullet points|bullets|tables|headings|jargon|preambles?|formatting"
    r"|code blocks|small talk|filler|introductions?|explanations?|disclaimers?)"
    r"|(?:do not|don['’]t|never|without) (?:make|making) (?:things|anything|facts|stuff) up"
    r"|(?:do not|don['’]t|never|without) (?:hallucinate|invent|inventing|guess|guessing|lie)"
    r"(?: (?:facts|anything|answers|things))?"
    r"|(?:do not|don['’]t|never) (?:reveal|mention|share|repeat)"
    r" (?:these|your|this|the|any|false)(?: \w+)?"
    r" (?:instructions?|prompt|information|message)"
    r"|(?:do not|don['’]t|never|not|avoid)(?: be| being)? (?:rude|impolite|vague|verbose"
    r"|wordy|condescending|repetitive|repeat yourself|ramble|rambling)"
    r"|as an? (?:\w+ ){0,2}assistant"
    r"|as (?:\w+ )?(?:\w+) as (?:possible|you can|needed)"
    rf"|(?:in|at most|no more than|under|within|up to|with|to)(?: at most| no more than)? {_NUMBER}"
    r"(?: \w+)? (?:sentences?|lines?|paragraphs?)"
    r"|(?:in|at most|no more than|under|within|up to)(?: at most| no more than)? [2-9]\d+ words"
    r"|(?:in |use |using )?(?:the )?(?:same )?language of the (?:user|question)"
    r"|(?:in )?(?:the )?same language as the (?:user|question)"
    r"|(?:in|as|use|using) markdown(?: format)?"
    r"|step by step|write a response that appropriately completes the request"
    r"|perform the task to the best of your ability"
    r")\b"
)
# What is to be done where the answer is not known is nothing that a known one is held to.
_UNKNOWING = re.compile(
    r"(?:if|when|where|whenever) (?:(?:you|the assistant|it) (?:are|is) (?:unsure|not sure)"
    r"|(?:you|the assistant) (?:do not|don['’]t|does not|doesn['’]t|cannot|can['’]t)\b"
    r"|you lack\b|something is (?:unclear|unknown|missing)"
    r"|(?:a|the) (?:question|request) (?:is unclear|does not make|doesn['’]t make)"
    r"|the (?:context|information|answer|notes) (?:is not|does not|doesn['’]t|do not)).*"
)
# Nor is what an answer must not be anyway.
_HARMFUL = re.compile(
    r"(?=.*\b(?:not|never|avoid|refuse|without|don['’]t)\b)"
    r".*\b(?:harmful|unethical|illegal|offensive|dangerous)\b.*"
)
_NEUTRAL = frozenset(
    """
    you're i'm it's a an the and or of to for in on at by with from about is are be was am being
    been will can may should must would has have that which who when where if it its this these them
    they he she his her their there here also very always please only any all every each other so
    such while both you your yours yourself i me my we our us user users users' user's people person
    everyone customer customers employee employees staff member members team colleague colleagues
    guest guests family household home house office company firm school club shop business website
    app helpful helpfully friendly kind kindly nice warm polite politely respectful professional
    professionally honest honestly truthful truthfully accurate accurately precise precisely correct
    correctly factual factually reliable careful carefully safe harmless patient smart intelligent
    clever knowledgeable expert capable general curious good best great clear clearly simple simply
    plain concise concisely brief briefly short shortly direct directly quick quickly to-the-point
    point useful relevant detailed thorough complete completely appropriate appropriately suitable
    positive nature socially neutral natural naturally conversational easy understandable unbiased
    assistant assistants assistant's ai chatbot bot agent model models llm language large artificial
    intelligence chat chats conversation conversations virtual personal digital voice local private
    helper service system program software computer gpt named called name trained created made built
    developed designed running powered based run developer maker company's work works working live
    lives living located located's talking speaking talk chatting help helps assist assists support
    answer answers answering respond responds response responses reply replies give gives provide
    provides keep try tries aim make sure ensure use uses using follow follows act acts behave
    remain stay serve serves completes do does tell say need needs want wants asks asked get gets
    know knows think reason reasoning question questions query queries request requests message
    messages input instruction instructions task tasks topic topics prompt describes context
    information knowledge memory notes note documents document data facts fact details detail
    available provided given access below above following necessary needed english sentence
    sentences full text word words well tone style manner way length markdown format formatted
    formatting accuracy honesty clarity care kindness patience date day today todays today's time
    current currently now cutoff cutting year month clock timezone zone utc gmt pm location place
    city town country place's monday tuesday wednesday thursday friday saturday sunday january
    february march april june july august september october november december mon tue wed thu fri
    sat sun jan feb mar apr jun jul aug sep sept oct nov dec morning afternoon evening between
    ability then role purpose goal guidelines rules behaviour behavior responsible visitor visitors
    client clients student students patients reader readers citizen citizens friend friends parent
    parents worker workers colleague's library hospital university hotel restaurant museum clinic
    bank department organisation organization club's village community garden farm workshop studio
    store creative before after device machine laptop phone locally weekday bold italic important
    terms headings paragraphs emphasis readable structured warmly cheerful calm humble modest
    experienced skilled competent efficient effective efficiently effectively considerate thoughtful
    thoughtfully attentive diligent trustworthy transparent objective impartial open formal informal
    casual everyday common sense logic logical logically reasoned understand understands understood
    understanding listen listens cares satisfy serving believe certain possible possibly whenever
    wherever whether though although since because mine ours theirs own next better new latest
    recent providing offer offers supporting advice guidance solution solutions problem problems
    issue issues matter matters replying responding response's helping assisting making giving
    keeping
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_TIME = frozenset(
    """
    date day today todays today's time now cutoff year month clock timezone zone monday tuesday
    wednesday thursday friday saturday sunday january february march april may june july august
    september october november december mon tue wed thu fri sat sun jan feb mar apr jun jul aug sep
    sept oct nov dec version
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
# Beside these a word with a capital letter is somebody's name, or where they are.
_SOMEBODY = frozenset(
    """
    assistant ai chatbot bot model agent name named called user user's location city town country
    timezone zone created trained made developed built powered lives live located talking speaking
    chatting language i
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_A_FORM = frozenset(
    """
    french german spanish italian portuguese dutch russian chinese japanese korean arabic hindi
    turkish polish swedish norwegian danish finnish greek hebrew latin ukrainian czech hungarian
    romanian indonesian vietnamese thai persian swahili esperanto klingon british american european
    json yaml xml html csv sql latex toml ascii rot shakespeare yoda pirate
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_SAYING = frozenset({"is", "lives", "works"})
# Words of the list that together ask for more than an answer.
_FOR_MORE = re.compile(
    r"\b(?:answer|repl|respon|end)\w* (?:\w+ )?(?:with|by) [\w ,]*\b(?:question"
    r"|instruction|name|date|time|message|word|prompt|input|context|text|topic|task|fact)s?\b"
    r"|\bonly\b.*\b(?:about|bold|italic)\b|\bwith (?:every|each|all) (?:answer|response|reply)"
    r"|\b(?:give|tell|say|provide|use)s? [\w ,]*\b(?:date|time|day|location|city|clock)\b"
)
_ASKS_OF_PROMPT = re.compile(
    r"\bwho (?:am i|are you|(?:made|created|trained|built|developed) you)\b|\b(?:my|your|user['’]s)"
    r" (?:own )?(?:name|city|town|country|location|place|timezone|address|date)\b|\bwhere (?:am i"
    r"|do i|are you|do you)\b|\btoday\b|\b(?:what|which) (?:date|day|year|month|time)\b|\bcutoff\b"
    r"|\bdate is it\b|\bthe (?:time|date)\b"
)


_WORK_ON_TEXT = re.compile(
    r"\b(?:translat(?:e|es|or|ing)|summari[sz](?:e|es|er|ing)|rewrit(?:e|es|er|ing)"
    r"|(?:re|para)phras(?:e|es|er|ing)|proofread\w*|classif(?:y|ies|ier|ying)|categori[sz](?:e|es|ing)"
    r"|convert(?:s|er|ing)?|extract(?:s|or|ing)?|autocomplet\w*|spell-?check\w*"
    r"|correct(?:s|ing)? (?:the |any |all )?(?:grammar|spelling|text|mistakes|errors|user))\b"
    r"(?! (?:all |each of |every )?(?:of )?your (?:answers?|responses?|repl(?:y|ies)))",
    re.IGNORECASE,
)


def works_on_text(prompt: str) -> bool:
    """Whether a prompt has something made of what is sent, which asks nothing then."""
    return _WORK_ON_TEXT.search(prompt) is not None


def changes_nothing(prompt: str, question: str) -> bool:
    """Whether the stored answer to a question is as right after a system prompt as without it."""
    if not _is_neutral(prompt):
        return False
    return not (_tells(prompt) and _ASKS_OF_PROMPT.search(question.casefold()))


def speaks_of(prompt: str, question: str) -> bool:
    """Whether a prompt itself says something of what is asked, as one with notes in it may.

    It has the question's names and something else of what is asked; of a question without names one
    sentence has half of the words.
    """
    asked = take_apart(question)
    if asked.names:
        return _shared(asked, prompt) > asked.names
    least = max(2, len(asked.content))
    return any(2 * len(_shared(asked, each)) >= least for each in _sentences(prompt))


def _shared(asked: Words, text: str) -> set[str]:
    """Stems of a question that a text has, or a synonym of."""
    said = take_apart(text)
    own, groups = frozenset(said.content), said.groups
    return {s for s in asked.content if s in own or asked.senses.get(s, frozenset()) & groups}


def _sentences(prompt: str) -> list[str]:
    parts = (_MARKUP.sub("", part).strip() for part in _SENTENCE.split(prompt))
    return [part for part in parts if part]


@remembered(_MOST_TEXTS)
def _is_neutral(prompt: str) -> bool:
    return all(map(_is_neutral_sentence, _sentences(prompt)))


def _is_neutral_sentence(sentence: str) -> bool:
    folded = sentence.casefold()
    if _UNKNOWING.match(folded) or _HARMFUL.match(folded):
        return True
    rest = _PHRASES.sub(" ", folded)
    said = set(_WORD.findall(rest))
    words = _WORD.findall(sentence)
    if _FOR_MORE.search(folded):
        return False
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        small = plain(word).replace("’", "'")
        if small not in said or small in _NEUTRAL:
            continue
        # "Tom is the user." begins with a name, "Summarize the user's text." does not.
        may_be = before or not after or after in _SAYING or after[0].isupper()
        if not may_be or not _is_told(word, small, plain(before), said):
            return False
    return True


def _is_told(word: str, small: str, before: str, said: set[str]) -> bool:
    """Whether a word is a number of a date, or a name where a sentence says who somebody is."""
    if any(map(str.isdigit, word)):
        return bool(said & _TIME) or (bool(said & _SOMEBODY) and not word.isdigit())
    is_name = word[0].isupper() and small not in _A_FORM and before not in ("a", "an", "as")
    return is_name and bool(said & (_SOMEBODY | _TIME))


def _tells(prompt: str) -> bool:
    """Whether a neutral prompt has a name or a number: of who somebody is, or of when it is."""
    words = _WORD.findall(prompt)
    return any(plain(w) not in _NEUTRAL or plain(w) in _TIME for w in words)
