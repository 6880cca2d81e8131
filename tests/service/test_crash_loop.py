"""Quick deaths in a row, against a list of what happened."""

from hypothesis import given
from hypothesis import strategies as st

from radiance.service.crash_loop import CrashCounter


@given(st.lists(st.sampled_from(["dies", "lasts and dies", "is stopped"]), max_size=12))
def test_only_quick_deaths_in_a_row_count(tmp_path_factory, lives):
    path = tmp_path_factory.mktemp("lives") / "lives.json"
    expected = 0
    for life in lives:
        process = CrashCounter(path)
        assert process.begin() == expected
        if life == "dies":
            expected += 1
        else:
            process.settle()
            expected = 0
    assert CrashCounter(path).begin() == expected


def test_a_damaged_count_begins_anew(tmp_path):
    path = tmp_path / "lives.json"
    for damage in (b"", b"{", b'{"deaths": "x"}', b"\xff"):
        path.write_bytes(damage)
        assert CrashCounter(path).begin() == 0
