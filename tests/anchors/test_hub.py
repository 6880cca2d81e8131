"""Datasets of the Hub, read offline from folders of the same shape."""

from pathlib import Path
from typing import Any

import pytest

from radiance.anchors import hub
from radiance.config import EvaluationSettings
from radiance.errors import ConfigError

NEWS = [f"Headline {n}\n\nSomething happened in town {n}." for n in range(100)]
CARD = """---
license: cc-by-4.0
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
---
# News
"""


def shape(folder: Path, columns: dict[str, list[Any]], split: str = "train") -> Path:
    """A folder as the Hub's cache has them: a card, and Parquet that is a link to a blob."""
    blob = folder / "blobs" / "0123abcd"
    snapshot = folder / "snapshots" / "news-100"
    data = snapshot / "data" / f"{split}-00000-of-00001.parquet"
    data.parent.mkdir(parents=True)
    blob.parent.mkdir()
    import datasets  # takes most of a second, in every process that collects tests

    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(columns).to_parquet(blob)
    data.symlink_to(blob)
    (snapshot / "README.md").write_text(CARD.replace("train", split))
    return snapshot


def settings(dataset: Path | str, **others: Any) -> EvaluationSettings:
    return EvaluationSettings(anchor_provider="hf", anchor_dataset=str(dataset), **others)


def test_dataset_in_the_shape_of_news_100(tmp_path: Path) -> None:
    anchors = hub.read_set(settings(shape(tmp_path, {"text": NEWS})))
    assert [example.text for example in anchors.examples] == NEWS
    assert anchors.examples[7].id == "news-100.7"
    assert set(anchors.contexts) == {"general"}
    assert anchors.licence == "cc-by-4.0"
    assert anchors.source.endswith("news-100")


@pytest.mark.parametrize(
    ("columns", "field", "first"),
    [
        ({"url": ["u"], "text": ["t"], "article": ["a long article"]}, "", ["t"]),
        ({"article": ["a"], "views": [3]}, "", ["a"]),
        ({"title": ["t", "u"], "body": ["a long body", None], "n": [1, 2]}, "", ["a long body"]),
        ({"title": ["t"], "body": ["a long body"]}, "title", ["t"]),
        ({"input": ["i"], "output": ["o"]}, "", ["i", "o"]),
        ({"question": ["q"], "answer": ["a"], "context": ["a long passage"]}, "", ["q", "a"]),
        (
            {
                "messages": [
                    [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
                ]
            },
            "",
            ["u", "a"],
        ),
    ],
)
def test_field_is_found_or_named(
    tmp_path: Path, columns: dict[str, list[Any]], field: str, first: list[str]
) -> None:
    found = hub.read_set(settings(shape(tmp_path, columns), anchor_text_field=field))
    (example,) = found.examples
    assert ([m.content for m in example.messages] or [example.text]) == first
    assert found.contexts == ("general",)


def test_saved_dataset_is_read_too(tmp_path: Path) -> None:
    import datasets  # takes most of a second, in every process that collects tests

    datasets.disable_progress_bars()
    one = datasets.Dataset.from_dict({"text": ["a"]})
    one.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"dev": one}).save_to_disk(tmp_path / "dict")
    assert len(hub.read_set(settings(tmp_path / "one"))) == 1
    assert len(hub.read_set(settings(tmp_path / "dict", anchor_split="dev"))) == 1
    with pytest.raises(ConfigError, match=r'anchor_split \(is "train"\).*It has dev'):
        hub.read_set(settings(tmp_path / "dict"))


@pytest.mark.parametrize(
    ("columns", "others", "problem"),
    [
        ({"text": ["a"]}, {"anchor_split": "test"}, r'anchor_split \(is "test"\).*It has train'),
        ({"text": ["a"]}, {"anchor_text_field": "x"}, r"\(is \"x\"\): is no such field.* are text"),
        ({"text": ["a"], "n": [1]}, {"anchor_text_field": "n"}, "holds no text"),
        ({"n": [1], "m": [2.0]}, {}, r"none of its fields holds text \(n, m\)"),
        ({"text": ["", None]}, {}, "split train has no text in text"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    tmp_path: Path, columns: dict[str, list[Any]], others: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        hub.read_set(settings(shape(tmp_path, columns), **others))


def test_folder_that_is_no_dataset_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match=r"anchor_dataset \(is .*cannot be read"):
        hub.read_set(settings(tmp_path))


@pytest.mark.parametrize("name", ["nobody/nothing-sept-2023", "a name with spaces"])
def test_dataset_that_cannot_be_had_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=rf'anchor_dataset \(is "{name}"\)') as caught:
        hub.read_set(settings(name))
    assert isinstance(caught.value, hub.Unreachable) == ("/" in name)


def test_larger_dataset_is_thinned_over_its_length(tmp_path: Path) -> None:
    texts = [f"Text {number}." for number in range(20_000)]
    anchors = hub.read_set(settings(shape(tmp_path, {"text": texts})))
    assert [example.text for example in anchors.examples] == texts[::2]
    assert anchors.examples[1].id == "news-100.2"
