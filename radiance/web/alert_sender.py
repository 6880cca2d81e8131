"""Alerts to whoever looks at no page: each is sent once when it begins, by webhook and by mail.

What could not be sent is tried again at the next look. Nothing of what was taught is in an alert.
"""

import json
import smtplib
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage

from radiance.config.alert_settings import AlertSettings
from radiance.periodic import PeriodicThread
from radiance.telemetry import get_logger
from radiance.web.alerts import Alert

_LOOK_S, _PATIENCE_S = 10.0, 10.0
_log = get_logger(__name__)


class AlertSender:
    """Looks at the alerts and sends those that are new.

    Args:
        settings: Where to.
        name: Of the service, as the alert tells it.
        alerts: What is wrong now.
    """

    def __init__(
        self, settings: AlertSettings, name: str, alerts: Callable[[], list[Alert]]
    ) -> None:
        self._settings, self._name, self._alerts = settings, name, alerts
        self._told: set[str] = set()
        self._thread = PeriodicThread("alert_sender", self.look, _LOOK_S)

    def start(self) -> None:
        """Begin to look, if there is anywhere to send to."""
        if self._settings.webhook or self._settings.mail_to:
            self._thread.start()

    def stop(self) -> None:
        """End that."""
        self._thread.stop()

    def look(self) -> None:
        """Send what has begun since the last look; what has ended may be told again later."""
        found = {alert.name: alert for alert in self._alerts()}
        self._told &= found.keys()
        for name, alert in found.items():
            if name not in self._told:
                self._send(alert)
                self._told.add(name)

    def _send(self, alert: Alert) -> None:
        """By every way that is set.

        Raises:
            OSError: The webhook or the mail server cannot be reached, or refuses it.
        """
        if self._settings.webhook:
            body = {
                "service": self._name,
                "name": alert.name,
                "level": alert.level,
                "text": alert.text,
            }
            request = urllib.request.Request(
                self._settings.webhook,
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
                method="POST",
            )
            with urllib.request.urlopen(request, timeout=_PATIENCE_S):
                pass
        if self._settings.mail_to:
            self._mail(alert)
        _log.info("alert_sent", alert=alert.name)

    def _mail(self, alert: Alert) -> None:
        mail = EmailMessage()
        mail["Subject"] = f"Radiance: {alert.name.replace('_', ' ')} ({self._name})"
        mail["From"], mail["To"] = self._settings.mail_from, ", ".join(self._settings.mail_to)
        mail.set_content(f"{alert.text}\n")
        host, _, port = self._settings.smtp.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=_PATIENCE_S) as server:
            server.send_message(mail)
