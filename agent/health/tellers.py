"""Those who are told: a program by signed POST, people by e-mail."""

from __future__ import annotations

import json
import smtplib
import socket
import ssl
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from agent.delivery.web import WebPlace, refusal, secret
from agent.delivery.webhook_destination import post_signed
from agent.errors import Transient
from agent.health.telling import News, Teller
from agent.settings import AlarmMail, AlarmWebhook, Settings

MAIL = "mail"
_REMEMBERED = 1000
FORMAT = "cxr-preread.alarm/1"


def tellers(settings: Settings) -> dict[str, Teller]:
    """Everybody whom the settings name, by name."""
    named, timeout_s = settings.alarms, settings.delivery.timeout_s
    found: list[Teller] = []
    if named.webhook is not None:
        found.append(WebhookTeller(named.webhook, timeout_s))
    if named.mail is not None:
        found.append(MailTeller(named.mail, timeout_s))
    return {teller.name: teller for teller in found}


class WebhookTeller:
    """Posts JSON with the signature of docs/webhook.md."""

    def __init__(self, named: AlarmWebhook, timeout_s: float) -> None:
        self.name, self._secret_file = named.name, named.secret_file
        self._place = WebPlace(
            named.name, named.url, timeout_s, named.token_file, named.ca_file, named.certificate_file, named.key_file
        )

    def tell(self, news: News, now: datetime) -> None:
        body = json.dumps(_fields(news)).encode("ascii")
        status = post_signed(self._place, self._secret_file, body, news.identifier, now).status
        if not 200 <= status < 300:
            raise refusal(self.name, status, "alarms")


class MailTeller:
    """Writes to people. The certificate of the server is verified; a password goes over TLS only. Where the server takes a message for
    some and not for others, these alone are written to again."""

    name = MAIL

    def __init__(self, named: AlarmMail, timeout_s: float) -> None:
        self._named, self._timeout_s = named, timeout_s
        self._have: OrderedDict[str, set[str]] = OrderedDict()  # who has what others could not be sent, the newest last

    def tell(self, news: News, now: datetime) -> None:
        named = self._named
        where = f"the mail server {named.host}:{named.port_in_use}"
        left = [to for to in named.to if to not in self._have.get(news.identifier, ())]
        try:
            with self._server() as server:
                refused = _sent(server, _message(news, named, now), left)
        except smtplib.SMTPResponseException as error:
            raise Transient(f"{where} did not take it: SMTP {error.smtp_code}", code="mail-refused") from error
        except smtplib.SMTPException as error:
            raise Transient(f"{where} did not take it: {type(error).__name__}", code="mail-refused") from error
        except OSError as error:
            why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.strerror or error
            raise Transient(f"{where} cannot be spoken to: {why}", code="mail-unreachable") from error
        if not refused:
            self._have.pop(news.identifier, None)
            return
        self._have[news.identifier] = set(named.to) - set(refused)
        while len(self._have) > _REMEMBERED:
            self._have.popitem(last=False)
        raise Transient(f"{where} refused {len(refused)} of the {len(named.to)} of alarms.mail.to", code="mail-refused")

    @contextmanager
    def _server(self) -> Iterator[smtplib.SMTP]:
        named, own_name = self._named, socket.gethostname() or "localhost"
        if named.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                named.host, named.port_in_use, own_name, timeout=self._timeout_s, context=self._trust()
            )
        else:
            server = smtplib.SMTP(named.host, named.port_in_use, own_name, timeout=self._timeout_s)
        with server:
            if named.security == "starttls":
                server.starttls(context=self._trust())
            if named.password_file is not None:
                server.login(named.user, secret(self.name, named.password_file).decode("utf-8", "replace"))
            yield server

    def _trust(self) -> ssl.SSLContext:
        file = self._named.ca_file
        return ssl.create_default_context(cafile=None if file is None else str(file))


def _sent(server: smtplib.SMTP, message: EmailMessage, to: Sequence[str]) -> Collection[str]:
    """Whom the server did not take it for. Raises what smtplib raises, but where that is everybody."""
    try:
        return server.send_message(message, to_addrs=to)
    except smtplib.SMTPRecipientsRefused as error:
        return error.recipients


def _fields(news: News) -> dict[str, object]:
    alarm = news.alarm
    return {
        "format": FORMAT,
        "identifier": news.identifier,
        "node": news.node,
        "event": news.event,
        "code": alarm.code,
        "about": alarm.about,
        "count": alarm.count,
        "words": news.words,
        "raised_at": alarm.raised_at.isoformat(),
        "recovered_at": None if alarm.recovered_at is None else alarm.recovered_at.isoformat(),
    }


def _message(news: News, named: AlarmMail, now: datetime) -> EmailMessage:
    alarm, made = news.alarm, EmailMessage()
    what = f"{alarm.code}: {alarm.about}" if alarm.about else alarm.code
    made["Subject"] = f"[{news.node}] {'ALARM' if news.event == 'raised' else 'is over'}: {what}"
    made["From"], made["To"] = named.sender, ", ".join(named.to)
    made["Date"] = format_datetime(now)
    made["Message-ID"] = f"<{news.identifier.replace(' ', '-')}@{socket.gethostname() or 'localhost'}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834 5
    over = f"It was over at {alarm.recovered_at:%Y-%m-%d %H:%M:%S} UTC.\n" if alarm.recovered_at else ""
    made.set_content(
        f"{what} ({alarm.count})\n{news.words}\n\nIt began at {alarm.raised_at:%Y-%m-%d %H:%M:%S} UTC.\n{over}"
        f"\nFrom the chest film line {news.node}. No patient is named in these messages.\n"
    )
    return made
