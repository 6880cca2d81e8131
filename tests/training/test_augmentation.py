"""Other wordings: shorter, still this question, the same every time."""

from hypothesis import given
from hypothesis import strategies as st

from radiance.training.augmentation import common_words, question, shorter, words
from tests.support import FACTS, example

COMMON = common_words([asked for asked, _ in FACTS])
ALL = [words(asked) for asked, _ in FACTS]


def test_common_words_are_those_of_two_texts():
    assert common_words(["Who is it?", "Where is she?"]) == {"is"}
    assert {"zorbel", "labs", "the", "of"} & COMMON == {"zorbel", "labs"}


def test_wordings_lack_only_common_words_and_keep_the_answer():
    for number, fact in enumerate(FACTS):
        whole = example(number, *fact)
        for wording in shorter(whole, COMMON, ALL, 6, seed=0):
            kept, before = question(wording).split(), question(whole).split()
            left_out = [word for word in before if word not in kept]
            assert kept == [word for word in before if word in kept]
            assert left_out
            assert words(" ".join(left_out)) <= COMMON
            assert wording.messages[-1] == whole.messages[-1]


def test_no_wording_fits_another_question_as_well():
    asked = [("Who leads the red team?", "Ann."), ("Who leads the blue team?", "Bob.")]
    everything = words("who leads the red blue team")
    both = [words(text) for text, _ in asked]
    for number, fact in enumerate(asked):
        for wording in shorter(example(number, *fact), everything, both, 20, seed=3):
            rival = both[1 - number]
            assert not words(question(wording)) <= rival


@given(st.integers(0, 1000), st.text(alphabet="ab cd?", max_size=30))
def test_they_follow_from_seed_and_question_alone(seed, asked):
    whole = example(0, asked, "An answer.")
    found = [question(w) for w in shorter(whole, {"ab", "cd"}, [], 5, seed)]
    assert found == [question(w) for w in shorter(whole, {"cd", "ab"}, [], 5, seed)]
    assert len(set(found)) == len(found) <= 5
    assert asked not in found
