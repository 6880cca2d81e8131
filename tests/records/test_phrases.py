"""Words that are looked for: as themselves, and by keys that do not say which they are."""

import string

from hypothesis import given
from hypothesis import strategies as st

from radiance.records.phrases import Phrase, PhraseKeys
from radiance.records.questions import normalise

_TEXTS = st.text(st.sampled_from(string.ascii_lowercase[:3] + "1 -./:'(),日本é"), max_size=30)


@given(_TEXTS, _TEXTS, _TEXTS)
def test_keys_find_what_the_words_find(before: str, words: str, after: str) -> None:
    phrase, text = Phrase(words), normalise(before + words + after)
    if phrase:
        found = PhraseKeys([phrase.key]).found_in(text)
        assert (phrase.key in found) is phrase.is_in(text)


def test_each_of_several_is_found_and_said() -> None:
    wifi, code, absent = Phrase("The Wi-Fi"), Phrase("KV-12"), Phrase("Ann")
    keys = PhraseKeys([wifi.key, code.key, absent.key])
    text = normalise("In Annapolis the Wi-Fi has the code (KV-12).")
    assert keys.found_in(text) == {wifi.key, code.key}
    assert "kv" not in str(code.key)
    assert not PhraseKeys([])
