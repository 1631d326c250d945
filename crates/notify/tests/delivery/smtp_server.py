"""A mail server that takes mail and tells of it on its standard output, one JSON object per line.

    smtp_server.py LIBRARY OPTIONS

LIBRARY is the directory that holds aiosmtpd. OPTIONS is JSON: "security" (tls, starttls, plain), "certificate", "key", "user",
"password", "refused" (an object: address to reply) and "reply" (to the mail itself). It ends when its standard input does.
"""

import asyncio
import json
import logging
import ssl
import sys
import warnings

sys.path.insert(0, sys.argv[1])

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword  # noqa: E402

OPTIONS = json.loads(sys.argv[2])

# Broken handshakes and logins without encryption are what it is for.
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


def tell(**what):
    print(json.dumps(what), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = OPTIONS.get("refused", {}).get(address)
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        reply = OPTIONS.get("reply")
        if reply:
            return reply
        tell(
            event="mail",
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            hello=session.host_name,
            encrypted=server.transport.get_extra_info("sslcontext") is not None,
            content=envelope.original_content.decode("ascii"),
        )
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    assert isinstance(data, LoginPassword)
    wanted = (OPTIONS["user"].encode(), OPTIONS["password"].encode())
    success = (data.login, data.password) == wanted
    tell(event="login", user=data.login.decode(), success=success)
    return AuthResult(success=success, handled=False)


async def main():
    security = OPTIONS["security"]
    context = None
    if security != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(OPTIONS["certificate"], OPTIONS["key"])
    wants_login = "user" in OPTIONS

    def connection():
        return SMTP(
            Handler(),
            hostname="mail.test",
            tls_context=context if security == "starttls" else None,
            require_starttls=security == "starttls",
            authenticator=authenticate if wants_login else None,
            auth_required=wants_login,
            # Else it would offer logins that nobody can have.
            auth_require_tls=not wants_login,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        connection, "127.0.0.1", 0, ssl=context if security == "tls" else None
    )
    tell(event="ready", port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
