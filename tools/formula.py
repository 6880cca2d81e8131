"""The Homebrew formula of a source distribution, with its hash and a ``service`` block.

MLX is published in wheels only, so the formula installs with pip into a virtual environment of its
own, as taps may; homebrew-core would not take it. Not run on a Mac by us.
"""

import hashlib
import re
import sys
from pathlib import Path

_TEMPLATE = """\
class Radiance < Formula
  include Language::Python::Virtualenv

  desc "Local language-model service that learns from what it is told"
  homepage "{homepage}"
  url "{url}"
  version "{version}"
  sha256 "{sha256}"
  license "Apache-2.0"

  depends_on arch: :arm64
  depends_on :macos
  depends_on "python@3.13"

  def install
    virtualenv_create(libexec, "python3.13")
    system "python3.13", "-m", "pip", "--python=#{{libexec}}/bin/python", "install",
           "--prefer-binary", buildpath
    bin.install_symlink libexec/"bin/radiance", libexec/"bin/radiance-peft"
  end

  def post_install
    (var/"radiance").mkpath
  end

  service do
    run [opt_bin/"radiance", "run", "--root", var/"radiance"]
    keep_alive successful_exit: false
    working_dir var/"radiance"
    log_path var/"log/radiance.log"
    error_log_path var/"log/radiance.log"
    process_type :interactive
    environment_variables PATH: std_service_path_env
  end

  def caveats
    <<~EOS
      `brew services start radiance` serves #{{var}}/radiance at http://127.0.0.1:8042.
      `radiance doctor --root #{{var}}/radiance` says what could be better.
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/radiance --version")
    assert_match "ok", shell_output("#{{bin}}/radiance doctor --root #{{testpath}}")
  end
end
"""


def render(sdist: Path, url: str = "") -> str:
    """The formula of a source distribution.

    Args:
        sdist: ``radiance-1.2.3.tar.gz``.
        url: Where it can be downloaded; the file itself if not given.
    """
    match = re.fullmatch(r"radiance-(.+)\.tar\.gz", sdist.name)
    assert match is not None, sdist
    found = url or sdist.resolve().as_uri()
    return _TEMPLATE.format(
        homepage=found.rpartition("/")[0] if url else "https://ml-explore.github.io/mlx",
        url=found,
        version=match[1],
        sha256=hashlib.sha256(sdist.read_bytes()).hexdigest(),
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(render(Path(sys.argv[1]), *sys.argv[3:]), encoding="utf-8")
