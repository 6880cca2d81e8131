"""docs/RELIABILITY.md: the table of what was tried, written from the results that were kept."""

from collections.abc import Mapping, Sequence

from bench.intervals import proportion
from bench.processes import REPOSITORY, Figures
from bench.survival.trials import Row

PAGE = REPOSITORY / "docs" / "RELIABILITY.md"
_BEGIN, _END = "<!-- results: written by bench.reliability -->", "<!-- end of results -->"
BARS = {
    1: "0 acknowledged lost, 0 learned twice, 0 torn pointers, 500 kills",
    2: "all reopen to a legal state",
    3: "every acknowledged update learned after it; 507 or 503 with Retry-After; serving goes on",
    4: "all refused, nobody else disturbed, memory flat, 300 adapters",
    5: "0 5xx, 0 hangs, every error as documented",
    6: "refused; the process stays; memory + 100 MB at most; others' p99 within 1.5 x or + 0.1 s",
    7: "429 with Retry-After, nothing acknowledged dropped",
    8: "harm blocked and named, the rest learned, no client moves a checkpoint",
    9: "weights bit-equal to the uninterrupted run",
    10: "same content hash",
    11: "found, the first bad entry named",
    12: "refused with the owner's pid, or with the remedy; the file untouched",
    13: "order, ids, leases right",
    14: "an hour, after 20 minutes: memory + 12 MB, arrays, descriptors and threads + 3 at most",
    15: "drained, exit 0, goes on",
    16: "exactly as the page of access says",
    17: "disk bounded; nothing in use or on the way back loses its weights",
    18: "50 backups usable, all hashes equal; p99 of others within 1.5 x",
}
Found = Sequence[tuple[str, Figures]]


def write(
    rows: Sequence[Row], found: Mapping[int, Found], totals: Mapping[int, int], machine: str
) -> None:
    """Put the table into the page.

    Args:
        rows: All of them.
        found: The trials that were made, by the row's number.
        totals: How many there are to make.
        machine: What they were made on, as a sentence.
    """
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks {_BEGIN} or {_END}.")
    table = [
        "| # | What | Bar | Held | Figures |",
        "|--:|---|---|---|---|",
        *(_line(row, found.get(row.number, ()), totals.get(row.number, 0)) for row in rows),
    ]
    failed = [line for row in rows for line in _failed(row, found.get(row.number, ()))]
    told = ["Trials that did not hold:", "", *failed] if failed else ["All trials held."]
    body = "\n".join([*table, "", *told, "", machine])
    PAGE.write_text(f"{before}{begin}\n{body}\n{end}{after}", encoding="utf-8")


def _line(row: Row, found: Found, total: int) -> str:
    figures = [one for _, one in found if "held" in one]
    if not figures:
        why = next((one["skipped"] for _, one in found if "skipped" in one), "not tried")
        return f"| {row.number} | {row.what} | {BARS[row.number]} | {why} | |"
    held = sum(one["held"] for one in figures)
    share = proportion(held, len(figures))
    tried = f"{held} of {len(figures)}" + (f", of {total:,} there are" * (len(figures) < total))
    tried += ", not all together" * bool(row.judge(figures))
    low, high = 100 * share.low, 100 * share.high
    interval = f"{low:.0f} to {high:.0f} %"
    told = row.tell(figures)
    return f"| {row.number} | {row.what} | {BARS[row.number]} | {tried} [{interval}] | {told} |"


def _failed(row: Row, found: Found) -> list[str]:
    figures = [one for _, one in found if "held" in one]
    alone = [(name, one["why"]) for name, one in found if not one.get("held", True)]
    together = [("all together", why) for why in row.judge(figures)]
    return [f"- {row.number}, {name}: {_plain(why)}" for name, why in [*alone, *together]]


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "/").replace("<", "&lt;").split())
