"""A visitor without a browser: speaks Streamlit's websocket protocol as its page does there, and takes the time.

Nothing is drawn, so what a browser does with a page once it has arrived is not in any of these times.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

REMEMBERED = 2  # page runs for which a browser keeps the large messages, so that they need not be sent again
ALL_DONE = re.compile(  # how the app says that nothing is missing
    r":material/check_circle: (?:\*\*)?([\d,]+) networks?(?:\.\*\*|, trained and kept\.)"
)
UNSEEN = "\u200b"  # which the app may write before a choice
PAGE, FRAGMENT = "page", "fragment"  # what has come to its end


@dataclass
class Tally:
    """What a scenario has seen, over all its visitors. Times are in seconds."""

    pages: list[float] = field(default_factory=list)  # from asking for a page to the end of its run
    polls: list[float] = field(default_factory=list)  # from a fragment's timer to the end of its run
    trainings: list[float] = field(default_factory=list)  # from asking for networks until all of them are shown
    errors: list[str] = field(default_factory=list)
    messages: int = 0
    bytes: int = 0


@dataclass
class Screen:
    """What the browser knows of the page that it shows, made of the messages that the server sends."""

    path: str = ""
    address: str = ""  # the query string
    page: str = ""  # the server's name for the page's script
    pages: dict[str, str] = field(default_factory=dict)  # path -> the server's name for its script
    sliders: dict[str, tuple[str, list[str]]] = field(default_factory=dict)  # key -> its id and its choices
    boxes: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)  # the same of lists; how each is written
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)  # key -> its id and its fragment, "" if none
    timers: dict[str, float] = field(default_factory=dict)  # fragment -> seconds between two of its runs
    said: list[str] = field(default_factory=list)  # the texts of the newest run of page or fragment
    errors: list[str] = field(default_factory=list)
    runs: int = 0  # of the whole page
    running: bool = False
    _fragments: list[str] = field(default_factory=list)  # of the run under way; none if it is the whole page
    _kept: dict[str, tuple[ForwardMsg, int]] = field(default_factory=dict)

    @property
    def cached(self) -> list[str]:
        """The hashes of the messages that need not be sent again."""
        self._kept = {key: kept for key, kept in self._kept.items() if self.runs - kept[1] <= REMEMBERED}
        return list(self._kept)

    @property
    def networks(self) -> int | None:
        """How many networks the page has, if it says that it has all of them."""
        found = [match for text in self.said if (match := ALL_DONE.search(text))]
        return int(found[-1][1].replace(",", "")) if found else None

    def take(self, data: bytes) -> str | None:
        """Look at one message; PAGE or FRAGMENT if it is the end of such a run."""
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            if message.ref_hash not in self._kept:
                self.errors.append("the server refers to a message that it has not sent")
                return None
            message, kind = self._kept[message.ref_hash][0], "delta"
        if message.metadata.cacheable:
            self._kept[message.hash] = message, self.runs
        if kind == "script_finished":
            return self._finished(message.script_finished)
        look = getattr(self, f"_{kind}", None)
        if look:
            look(getattr(message, kind) if kind != "new_session" else message)
        return None

    def _finished(self, how: int) -> str | None:
        self.running = False
        if how == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.errors.append("the script does not compile")
        if how == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
            return FRAGMENT
        return None if how == ForwardMsg.FINISHED_EARLY_FOR_RERUN or self._fragments else PAGE

    def _new_session(self, message):
        self._fragments = list(message.metadata.run.fragment_ids)
        self.said, self.running = [], True
        if not self._fragments:
            if self.page != message.new_session.page_script_hash:
                self.page = message.new_session.page_script_hash
                self.sliders.clear()
                self.boxes.clear()
            self.runs += 1
            self.timers.clear()
            self.buttons.clear()

    def _navigation(self, navigation):
        self.page = navigation.page_script_hash
        self.pages = {page.url_pathname: page.page_script_hash for page in navigation.app_pages}

    def _page_info_changed(self, info):
        self.address = info.query_string

    def _page_not_found(self, _missing):
        self.errors.append(f"page not found: /{self.path}")

    def _session_event(self, event):
        if event.WhichOneof("type") == "script_compilation_exception":
            self.errors.append(event.script_compilation_exception.message)

    def _auto_rerun(self, timer):
        self.timers[timer.fragment_id] = timer.interval

    def _stop_auto_rerun(self, stopped):
        for fragment in stopped.fragment_ids:
            self.timers.pop(fragment, None)

    def _delta(self, delta):
        element = delta.new_element
        match element.WhichOneof("type"):
            case "exception":
                self.errors.append(f"{element.exception.type}: {element.exception.message}")
            case "markdown":
                self.said.append(element.markdown.body)
            case "alert":
                self.said.append(element.alert.body)
            case "progress":
                self.said.append(element.progress.text)
            case "slider" if element.slider.options:
                slider = element.slider
                self.sliders[_key(slider.id)] = slider.id, list(slider.options)
            case "selectbox":
                box = element.selectbox
                self.boxes[_key(box.id)] = box.id, {each.strip(UNSEEN): each for each in box.options}
            case "button":
                self.buttons[_key(element.button.id)] = element.button.id, delta.fragment_id


def _key(name: str) -> str:
    """The key that the app has given to an element, without its page; the server's name for it ends so."""
    return name.rpartition("-")[2].rpartition(" ")[2]


class Visitor:
    """One browser tab. Use it as: async with Visitor(port, tally) as visitor."""

    def __init__(self, port: int, tally: Tally, patience: float = 60.0) -> None:
        self.port, self.tally, self.patience = port, tally, patience
        self.screen = Screen()
        self._socket = None
        self._reader: asyncio.Task | None = None
        self._timers: dict[str, tuple[float, asyncio.Task]] = {}
        self._news = asyncio.Condition()
        self._asked: dict[str, float] = {}  # PAGE or FRAGMENT -> when the oldest request without an answer was sent
        self._asked_last = 0.0  # when the newest request for a page was sent
        self._runs_when_asked = 0
        self._moved: dict[str, tuple[str, bool]] = {}  # id of a control -> its value, and whether it is a slider

    async def __aenter__(self) -> Visitor:
        self._socket = await connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream",
            origin=f"http://127.0.0.1:{self.port}",
            subprotocols=["streamlit"],
            max_size=None,
            ping_interval=None,  # a browser sends none
            open_timeout=self.patience,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_) -> None:
        for _interval, task in self._timers.values():
            task.cancel()
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        with suppress(ConnectionClosed):
            await self._socket.close()

    async def open(self, path: str, **address: object) -> None:
        """Open a page at an address, by the menu or as a link, and wait until it is there."""
        self.screen.path, self.screen.address = path, urlencode(address, doseq=True)
        self.screen.page = self.screen.pages.get(path, "")
        self._moved.clear()
        await self._ask(path if not self.screen.page else "")
        await self.settled()

    async def move(self, key: str, value: str) -> None:
        """Move a slider, or choose from a list, as far as the request for the page that it changes.

        A slider's value goes into the address at once, as in a browser; what is in a list the app writes there itself.
        """
        is_slider = key in self.screen.sliders
        name, choices = self.screen.sliders[key] if is_slider else self.screen.boxes[key]
        assert value in choices, f"{key} can be {list(choices)}, not {value}"
        self._moved[name] = value if is_slider else self.screen.boxes[key][1][value], is_slider
        if is_slider:
            self.screen.address = urlencode(parse_qs(self.screen.address) | {key: [value]}, doseq=True)
        await self._ask()

    async def press(self, key: str) -> None:
        """Press a button, and wait for the page that comes of it."""
        name, fragment = self.screen.buttons[key]
        await self._ask(fragment=fragment, button=name)
        await self.settled()

    async def settled(self) -> bool:
        """Wait for the page that was asked for; False, and an error, if it does not come."""
        return await self._until(lambda: PAGE not in self._asked, "the page")

    async def trained(self, patience: float | None = None) -> bool:
        """Wait until the page has all its networks; False if that takes longer than patience, or is given up."""
        screen = self.screen
        done = await self._until(
            lambda: not (PAGE in self._asked or screen.running) and bool(screen.networks or not screen.timers),
            None,
            patience,
        )
        if not (done and screen.networks):
            return False
        self.tally.trainings.append(time.monotonic() - self._asked_last)
        return True

    # behind it

    async def _ask(self, path: str = "", **more: str) -> None:
        self._asked_last, self._runs_when_asked = time.monotonic(), self.screen.runs
        self._asked.setdefault(PAGE, self._asked_last)
        await self._send(path, **more)

    async def _send(self, path: str = "", fragment: str = "", button: str = "") -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash, state.page_name = self.screen.address, self.screen.page, path
        state.cached_message_hashes.extend(self.screen.cached)
        state.context_info.url = f"http://127.0.0.1:{self.port}/{path}"
        for name, (value, is_slider) in self._moved.items():
            widget = state.widget_states.widgets.add(id=name)
            if is_slider:
                widget.string_array_value.data.append(value)
            else:
                widget.string_value = value
        if button:
            state.widget_states.widgets.add(id=button, trigger_value=True)
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment and not button)
        with suppress(ConnectionClosed):  # noticed, and told, where we read
            await self._socket.send(message.SerializeToString())

    async def _read(self) -> None:
        try:
            async for data in self._socket:
                self.tally.messages += 1
                self.tally.bytes += len(data)
                ended = self.screen.take(data)
                self._mind_timers()
                if ended:
                    await self._ended(ended)
                self.tally.errors.extend(self.screen.errors)
                self.screen.errors.clear()
        except ConnectionClosed as closed:
            self.tally.errors.append(f"the connection broke: {closed}")
        except Exception as fault:  # of this program
            self.tally.errors.append(repr(fault))
        else:
            self.tally.errors.append("the server closed the connection")
        finally:
            async with self._news:
                self._news.notify_all()

    async def _ended(self, kind: str) -> None:
        if kind == PAGE and self.screen.runs == self._runs_when_asked:
            return  # a run that had begun before we asked
        if kind == PAGE and PAGE in self._asked:
            self.tally.pages.append(time.monotonic() - self._asked.pop(PAGE))
        if FRAGMENT in self._asked:  # a run of the whole page runs its fragments too
            self.tally.polls.append(time.monotonic() - self._asked.pop(FRAGMENT))
        async with self._news:
            self._news.notify_all()

    def _mind_timers(self) -> None:
        wanted = self.screen.timers
        for fragment, (interval, task) in list(self._timers.items()):
            if wanted.get(fragment) != interval:
                task.cancel()
                del self._timers[fragment]
        for fragment, interval in wanted.items():
            if fragment not in self._timers:
                self._timers[fragment] = interval, asyncio.create_task(self._poll(fragment, interval))

    async def _poll(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            self._asked.setdefault(FRAGMENT, time.monotonic())
            await self._send(fragment=fragment)

    async def _until(self, condition, what: str | None, patience: float | None = None) -> bool:
        try:
            async with asyncio.timeout(patience or self.patience), self._news:
                await self._news.wait_for(lambda: self._reader.done() or condition())
        except TimeoutError:
            if what:
                self.tally.errors.append(f"waited {self.patience:.0f} s in vain for {what}")
            return False
        return bool(condition())
