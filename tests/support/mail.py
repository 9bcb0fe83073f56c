"""A mail server that the tests play: RFC 5321 as far as a client that submits needs it, with STARTTLS, TLS and AUTH PLAIN."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP


@dataclass
class Mailbox:
    """Listens on loopback and keeps what it is sent. A context manager.

    Args:
        context: makes it speak TLS, at once with `at_once`, else after STARTTLS.
        login: (user, password) that it wants.
        refuses: answers every recipient 550.
        knows: answers every recipient but these 550; None: it knows everybody.
    """

    context: ssl.SSLContext | None = None
    at_once: bool = False
    login: tuple[str, str] | None = None
    refuses: bool = False
    knows: set[str] | None = None
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    def __enter__(self) -> Mailbox:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            if self.context is not None and self.at_once:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                self._session(connection)
        except OSError:  # a client that does not trust us hangs up
            return

    def _session(self, connection: socket.socket) -> None:
        stream, to, known = connection.makefile("rb"), list[str](), self.login is None

        def say(words: str) -> None:
            connection.sendall(words.encode("ascii") + b"\r\n")

        say("220 test")
        while line := stream.readline().decode("ascii").strip():
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                offers = ["AUTH PLAIN"] if self.login else []
                if self.context is not None and not isinstance(connection, ssl.SSLSocket):
                    offers.append("STARTTLS")
                say("\r\n".join(["250-test", *(f"250-{o}" for o in offers), "250 8BITMIME"]))
            elif verb == "STARTTLS":
                assert self.context is not None
                say("220 go")
                connection = self.context.wrap_socket(connection, server_side=True)
                stream = connection.makefile("rb")
            elif verb == "AUTH":
                _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
                known = (user, password) == self.login
                say("235 ok" if known else "535 no")
            elif verb == "RCPT":
                name = line.partition("<")[2].partition(">")[0]
                taken = known and not self.refuses and (self.knows is None or name in self.knows)
                to += [name] if taken else []
                say("250 ok" if taken else "550 not for you")
            elif verb == "DATA":
                say("354 go on")
                content = b""
                while (part := stream.readline()) != b".\r\n":
                    content += part.removeprefix(b".")
                self.messages.append(BytesParser(policy=SMTP).parsebytes(content))  # type: ignore[arg-type]
                self.recipients.append(to)
                self.encrypted.append(isinstance(connection, ssl.SSLSocket))
                to = []
                say("250 kept")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")
