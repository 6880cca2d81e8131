"""What the charts of an open page have drawn, and what their tables tell."""

from typing import Any


def ink(page: Any) -> dict[str, list[int]]:
    """By chart, how many pixels have each series' colour while it alone is shown.

    Lines that lie on one another would hide one another. A page behind others is drawn a few times
    a second at most, and each series waits for two frames.
    """
    page.bring_to_front()
    return page.evaluate(
        """async () => {
            const drawn = () => new Promise((done) =>
                requestAnimationFrame(() => requestAnimationFrame(done)));
            const count = (plot, series) => {
                const canvas = plot.root.querySelector("canvas");
                const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                const colour = series.stroke(plot).match(/[\\d.]+/g).map(Number);
                let found = 0;
                for (let at = 0; at < all.data.length; at += 4)
                    if (all.data[at + 3] > 200
                        && [0, 1, 2].every((c) => Math.abs(all.data[at + c] - colour[c]) < 12))
                        found++;
                return found;
            };
            const counts = {};
            for (const place of document.querySelectorAll("figure.chart .plot")) {
                const plot = place.uplot;
                counts[place.closest("figure").id] = [];
                for (let shown = 1; shown < plot.series.length; shown++) {
                    for (let other = 1; other < plot.series.length; other++)
                        plot.setSeries(other, { show: other === shown });
                    await drawn();
                    counts[place.closest("figure").id].push(count(plot, plot.series[shown]));
                }
            }
            return counts;
        }"""
    )


def told_by(page: Any, chart: str) -> list[bool]:
    """Whether the table of a chart has a value of each series."""
    cells = page.locator(f"#{chart} tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].slice(1).map(cell => cell.textContent))"
    )
    return [any(value != "–" for value in column) for column in zip(*cells, strict=True)]
