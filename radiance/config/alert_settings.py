"""Settings of the alerts that reach a person who looks at no page."""

from typing import Annotated

from msgspec import Meta

from radiance.config.section import Section


class AlertSettings(Section, frozen=True):
    """Alerts: what the overview warns of, sent once when it begins, by webhook and mail."""

    webhook: Annotated[
        str,
        Meta(
            description="Address that each alert is posted to as JSON: name, level, text, service; "
            "empty: none.",
            pattern=r"^(https?://.+)?$",
            examples=["https://hooks.example.org/radiance"],
        ),
    ] = ""
    mail_to: Annotated[
        tuple[str, ...], Meta(description="Addresses that each alert is mailed to; none: no mail.")
    ] = ()
    mail_from: Annotated[str, Meta(description="Sender of these mails.")] = "radiance@localhost"
    smtp: Annotated[
        str,
        Meta(
            description="Mail server, as host:port.",
            pattern=r"^[^:\s]+:\d{1,5}$",
            examples=["localhost:25"],
        ),
    ] = "localhost:25"
