"""The door of the server: which sites may connect, and what a browser may ask for: each visitor their own affairs."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlparse

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

from toyviz import runtime

# Of what Streamlit's protocol has, the rest concerns everybody: the caches, Git, the server itself.
HEARD = {"rerun_script", "stop_script", "app_heartbeat", "backend_operation_request"}
CLOSED = re.compile(r"/_stcore/(metrics|upload_file|agent)(/|$)")  # the app counts nobody and takes no files
REFUSED = 1008  # the websocket's code for what is against the rules; before it is open, the browser sees HTTP 403

log = logging.getLogger(__name__)


class Door:
    """ASGI middleware that lets through what concerns nobody but the visitor who sent it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or serve one browser's connection until it ends."""
        if scope["type"] == "http" and CLOSED.search(scope["path"]):
            await PlainTextResponse("Not Found", status_code=404)(scope, receive, send)
        elif scope["type"] != "websocket":
            await self.app(scope, receive, send)
        elif foreign(Headers(scope=scope)):
            await send({"type": "websocket.close", "code": REFUSED})
        else:
            try:
                await self.app(scope, _own_affairs(receive), send)
            finally:
                runtime.tell_who_has_gone()


def foreign(headers: Headers) -> bool:
    """Whether a page of another site wants to connect; Streamlit itself would ask the internet for our address here."""
    origin = headers.get("origin")
    if origin is None or not st.get_option("server.enableCORS"):
        return False
    try:
        site = urlparse(origin).netloc
    except ValueError:  # no address at all
        return True
    return site != headers.get("host") and origin not in st.get_option("server.corsAllowedOrigins")


def _own_affairs(receive: Receive) -> Receive:
    """The messages of a browser without those that would touch other visitors."""

    async def heard() -> Message:
        while True:
            message = await receive()
            kind = _kind(message.get("bytes"))
            if kind is None or kind in HEARD:
                return message
            log.info("a browser sent %s: dropped", kind)

    return heard


def _kind(sent: bytes | None) -> str | None:
    """What a message of Streamlit's protocol is about; None for what is no such message."""
    message = BackMsg()
    try:
        message.ParseFromString(sent or b"")
    except Exception:  # noise: Streamlit ends such a connection
        return None
    return message.WhichOneof("type")
