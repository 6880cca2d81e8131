"""GET /metrics: the table of metrics in the text form that Prometheus reads."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from radiance.api.metrics import FIGURES, Figure, Value, View
from radiance.api.request_log import HttpStats
from radiance.api.services import ServicesGetter
from radiance.errors import Unavailable
from radiance.telemetry import Histogram


def metrics(request: Request) -> Response:
    """Every metric, in Prometheus's or OpenMetrics' text form as the caller asks."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(request.app.state.services, request.app.state.http_stats))
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=content_type)


class _Collector(Collector):
    """Reads the table once; before the service has started there is only its absence."""

    def __init__(self, services: ServicesGetter, http: HttpStats) -> None:
        self._services, self._http = services, http

    def collect(self) -> Iterator[Metric]:
        try:
            services = self._services()
        except Unavailable:
            yield GaugeMetricFamily("radiance_ready", "0 while the service starts or stops.", 0)
            return
        view = View(self._http, services, services.engine.stats)
        for figure in FIGURES:
            yield _family(figure, figure.read(view))


def _family(figure: Figure, value: Value) -> Metric:
    values: Mapping[tuple[str, ...], float | Histogram] = (
        value if isinstance(value, Mapping) else {(): value}
    )
    match figure.kind:
        case "histogram":
            family = HistogramMetricFamily(figure.name, figure.meaning, labels=figure.labels)
            for labels, histogram in values.items():
                assert isinstance(histogram, Histogram)
                family.add_metric(labels, *_buckets(histogram))
        case "counter":
            family = CounterMetricFamily(figure.name, figure.meaning, labels=figure.labels)
            _fill(family, values)
        case "gauge":
            family = GaugeMetricFamily(figure.name, figure.meaning, labels=figure.labels)
            _fill(family, values)
    return family


def _fill(
    family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[tuple[str, ...], object]
) -> None:
    for labels, value in values.items():
        assert isinstance(value, int | float)
        family.add_metric(labels, value)


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Cumulative counts by upper bound, and the sum."""
    found, seen = [], 0
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        seen += count
        found.append((str(bound), seen))
    return found, histogram.total
