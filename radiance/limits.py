"""Limits that are checked before work is done, in one table; docs/LIMITS.md shows it.

What a person may want otherwise is a setting (``config``); these are of the service itself. Nothing
that a client sends may hold up others for longer than a decode step's share, nor take memory
without a bound.
"""

from typing import NamedTuple


class Limit(NamedTuple):
    """One limit.

    Attributes:
        value: As many are taken.
        unit: Of what.
        what: What is bounded, for the documentation.
        answer: What whoever exceeds it is told.
    """

    value: int
    unit: str
    what: str
    answer: str


HEADER_BYTES = Limit(64 * 1024, "bytes", "the headers of a request", "431")
HEADERS = Limit(100, "fields", "the headers of a request", "431")
BODIES_BYTES = Limit(
    64 << 20, "bytes", "bodies of all requests under way, past the first 64 KiB of each", "429"
)
FREE_BODY_BYTES = Limit(64 * 1024, "bytes", "of a body that there is always room for", "")
THROWN_AWAY = Limit(
    4, "times `server.max_body_bytes`", "read and thrown away of a body that is refused", "closed"
)
BODY_BYTES_PER_SECOND = Limit(
    16 * 1024,
    "bytes a second",
    "how fast a body has to go on after `server.receive_timeout_s`",
    "408",
)
REQUEST_ROWS = Limit(128, "answers", "prompts times `n` of one request to /v1", "400")
FORM_CHARACTERS = Limit(100_000, "characters", "a schema, grammar or expression", "400")
FORMS_CHARACTERS = Limit(
    500_000, "characters", "schemas, grammars and expressions that wait to be compiled", "429"
)
FORM_SECONDS = Limit(2, "seconds", "compiling a schema, grammar or expression", "400")
NUMBER_DIGITS = Limit(18, "digits", "a number in a query, such as `limit` and `before`", "400")
TOLD_CHARACTERS = Limit(1000, "characters", "the message of an error; values are cut at 200", "cut")
SESSIONS_OF_A_KEY = Limit(50, "browsers", "signed in with one key", "the least used is out")
FOREIGN_JSON_BYTES = Limit(
    1 << 20, "bytes", "adapter_config.json and manifest.json of an adapter from elsewhere", "400"
)
PATTERN_KEYS = Limit(2000, "keys", "`alpha_pattern` or `rank_pattern` of such an adapter", "400")
PATTERN_KEY_CHARACTERS = Limit(200, "characters", "one of these keys", "400")
PATTERN_CHARACTERS = Limit(1000, "characters", "those keys together that are patterns", "400")
DOCUMENT_BYTES = Limit(32 << 20, "bytes", "a document", "413")
DOCUMENT_CHARACTERS = Limit(4_000_000, "characters", "the text of a document", "413")
DOCUMENT_PAGES = Limit(2000, "pages", "a PDF", "413")
DOCUMENT_SECONDS = Limit(60, "seconds", "reading a document", "400")
DOCUMENT_MEMORY_BYTES = Limit(1 << 30, "bytes", "memory to read a document with", "400")
DOCUMENTS_READ = Limit(4, "documents", "being read at a time: PDF, Word, HTML, long texts", "429")
DOCUMENTS = Limit(10_000, "documents", "that are kept", "409")
PASSAGES = Limit(200_000, "passages", "of all documents together", "409")
