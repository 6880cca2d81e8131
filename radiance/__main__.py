"""``python -m radiance``: the same as the command ``radiance``."""

from radiance.cli import main

if __name__ == "__main__":
    main()
