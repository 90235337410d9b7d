"""What can be taken along from a page: the routes that serve it, and the quiet place below the stage that lists it.

A page itself works nothing out for it: the list of a view's figures is asked for when somebody opens that place.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from toyviz import runtime, studies
from toyviz.export import formats, imported
from toyviz.export.refused import Refused
from toyviz.ui.door import foreign
from toyviz.view import Choice, Page, Plan, View

WAITING = 8  # requests that may be here at once: one is worked on at a time
BUSY = "too much is being taken along at the moment: try again soon"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")

log = logging.getLogger(__name__)
_places, _worker = threading.BoundedSemaphore(WAITING), ThreadPoolExecutor(1, "export")


async def send(request: Request) -> Response:
    """GET /export/double_descent.svg?...: a file, or a sentence and a status that says why there is none."""
    return await _answer(request, lambda: _file(request))


async def tell(request: Request) -> Response:
    """GET /export?page=double_descent&...: what there is to take along of a view, as JSON."""
    return await _answer(request, lambda: _contents(request))


async def take(request: Request) -> Response:
    """POST /import: the bytes of an exported network, for this server's store."""
    if request.method != "POST":
        return PlainTextResponse("POST a file here\n", status_code=405, headers=HEADERS | {"Allow": "POST"})
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > imported.LARGEST:
            return _told(f"this file {imported.TOO_LARGE}", 413)
    return await _answer(request, lambda: _kept(bytes(content), request.query_params.get("name", "a file")))


ROUTES = [
    Route("/export", tell, methods=["GET"]),
    Route("/export/{name}", send, methods=["GET"]),
    Route("/import", take, methods=["GET", "POST"]),  # else Streamlit's page would answer to GET
]


async def _answer(request: Request, work: Callable[[], Response]) -> Response:
    """One at a time, in a thread; refused at once where too many wait, and for a page of another site."""
    if not is_host_allowed(request.headers.get("host")):
        return _told("this name is not one of the server's", 403)
    if _of_another_site(request):
        return _told("a page of another site may not ask for this", 403)
    if not _places.acquire(blocking=False):
        return _told(BUSY, 503)
    try:
        return await asyncio.get_running_loop().run_in_executor(_worker, _done, work)
    finally:
        _places.release()


def _of_another_site(request: Request) -> bool:
    """Whether a page of another site sends this: a link that one follows from there is nobody's but one's own."""
    if foreign(request.headers):
        return True
    site, mode = request.headers.get("sec-fetch-site", "none"), request.headers.get("sec-fetch-mode", "navigate")
    return site not in ("none", "same-origin") and (mode != "navigate" or request.method != "GET")


def _done(work: Callable[[], Response]) -> Response:
    try:
        return work()
    except Refused as error:
        return _told(str(error), error.status)
    except MemoryError:
        return _told("there is not enough memory for this", 503)
    except Exception:
        log.exception("an export failed")
        return _told("this went wrong here; the server's log says more", 500)


def _file(request: Request) -> Response:
    made = formats.export(
        formats.read(request.path_params["name"], _address(request), _server(request)), runtime.store()
    )
    how = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(made.name)}"}
    return Response(made.content, media_type=made.media_type, headers=HEADERS | how)


def _contents(request: Request) -> Response:
    address = _address(request)
    page = address.pop("page", "")
    if not page:
        raise Refused(f"page= is missing: one of {', '.join(studies.pages())}")
    asked = formats.read(f"{page}.svg", address)
    return JSONResponse(formats.contents(asked, runtime.store()), headers=HEADERS)


def _kept(content: bytes, name: str) -> Response:
    if not takes_imports():
        return _told('this server has several visitors: use "python -m toyviz import FILE" where it runs', 403)
    result = imported.read_run(content, "".join(each for each in name if each.isprintable())[:100])
    imported.keep(result, runtime.store())
    return JSONResponse({"key": result.experiment.key, "link": imported.link_of(content)}, headers=HEADERS)


def takes_imports() -> bool:
    """Whether a file may be handed in: only where the server listens to its own machine alone.

    What is imported cannot be told from what was trained here but by its provenance, and nobody else should see it so.
    """
    return st.get_option("server.address") in LOOPBACK


def _address(request: Request) -> dict[str, str]:
    return {name: ",".join(request.query_params.getlist(name)) for name in request.query_params}


def _server(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _told(sentence: str, status: int) -> Response:
    retry = {"Retry-After": "5"} if status == 503 else {}
    return PlainTextResponse(sentence + "\n", status_code=status, headers=HEADERS | retry)


HTML = """<div class="take"><div class="how"><label>Colours <select class="theme"><option value="light">light</option>
<option value="dark">dark</option></select></label> <label>PNG scale <select class="scale"><option>1</option>
<option selected>2</option><option>4</option></select></label></div><div class="lists"></div>
<p class="cite"></p><div class="bring"><label>Bring a network back:
<input type="file" accept=".npz,.safetensors"></label> <output></output></div></div>"""
CSS = """.take {font-size: .875rem; color: var(--st-text-color); line-height: 1.5}
.take select {font: inherit; color: inherit; background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color); border-radius: .375rem}
.take h4 {font: inherit; font-weight: 600; margin: .5rem 0 0}
.take .row {display: flex; gap: .6rem; flex-wrap: wrap}
.take .row > span {flex: 1 1 12rem}
.take a {color: var(--st-link-color)}
.take input {font: inherit; color: inherit}
@media (max-width: 48rem) {.take .row > span {flex-basis: 100%} .take .row {margin-bottom: .3rem}}
.take .cite, .take .bring {font-size: .75rem; opacity: .75; margin: .6rem 0 0}"""
JS = """
export default function ({ data, parentElement }) {
  const part = (name) => parentElement.querySelector(name)
  const address = (more) => {  // with A of a comparison, the step of the clock, and the colours that are chosen
    const all = new URLSearchParams(data.address), shown = new URL(location.href).searchParams
    const step = shown.get('step')
    shown.forEach((value, name) => { if (name.startsWith('a.')) all.set(name, value) })
    const drawn = ['svg', 'png', 'pdf', 'vega'].includes(more.as)
    if (step && (drawn || more.figure)) all.set('step', step)
    Object.entries(more).forEach(([name, value]) => all.set(name, value))
    if (drawn) all.set('theme', part('.theme').value)
    if (more.as === 'png') all.set('scale', part('.scale').value)
    return all
  }
  const link = (word, more, title) => {
    const a = document.createElement('a')
    a.textContent = word
    a.title = title || ''
    const set = () => { a.href = `export/${data.page}?${address(more)}` }
    set()
    a.onpointerdown = a.onfocus = a.onpointerenter = set
    return a
  }
  const row = (name, links) => {
    const line = document.createElement('div'), label = document.createElement('span')
    line.className = 'row'
    label.textContent = name
    line.append(label, ...links)
    return line
  }
  const heading = (text) => {
    const h = document.createElement('h4')
    h.textContent = text
    return h
  }
  const lists = part('.lists')
  const fill = (told) => {
    const about = told.formats
    const of = (words, more) => Object.entries(words).map(([as, word]) => link(word, { as, ...more }, about[as].about))
    lists.replaceChildren(heading('Figures'))
    const drawn = { svg: 'SVG', png: 'PNG', pdf: 'PDF', csv: 'CSV', vega: 'Vega-Lite' }
    told.figures.forEach(({ id, title }) => lists.append(row(title, of(drawn, { figure: id }))))
    told.tables.forEach((id) => lists.append(row(id, of({ csv: 'CSV' }, { figure: id }))))
    lists.append(row('All on one sheet', of({ svg: 'SVG', pdf: 'PDF' }, {})))
    const arrays = { npz: '.npz', safetensors: '.safetensors', json: 'experiment' }
    if (told.network) {
      lists.append(heading('The network'))
      lists.append(row('Weights, history, samples', of({ ...arrays, torch: '.pt', module: 'its module' }, {})))
      lists.append(row('Train it again', of({ script: 'Python', notebook: 'notebook', pytorch: 'plain PyTorch' }, {})))
    }
    const every = `All ${told.networks} networks`
    lists.append(heading(every), row('Weights, history, samples', of(arrays, { take: 'sweep' })))
    lists.append(row('Train them again', of({ script: 'Python', notebook: 'notebook' }, { take: 'sweep' })))
    lists.append(row('Their numbers', of({ csv: 'CSV' }, {})))
    part('.cite').textContent = told.cite
  }
  const list = address({})
  list.set('page', data.page)
  fetch(`export?${list}`).then(async (answer) => {
    if (answer.ok) fill(await answer.json())
    else lists.textContent = await answer.text()
  }).catch(() => { lists.textContent = 'The server does not answer.' })

  part('.theme').value = data.theme
  part('.bring').hidden = !data.takes
  const file = part('input[type=file]'), said = part('output')
  file.onchange = async () => {
    if (!file.files.length) return
    said.textContent = 'Reading ...'
    const name = encodeURIComponent(file.files[0].name)
    const answer = await fetch(`import?name=${name}`, { method: 'POST', body: file.files[0] })
    if (!answer.ok) said.textContent = await answer.text()
    else {
      const told = await answer.json(), open = document.createElement('a')
      open.textContent = 'open it'
      open.href = told.link || '/'
      said.replaceChildren('Imported: ', open)
    }
    file.value = ''
  }
}
"""
TAKE = st.components.v2.component("take_with_you", html=HTML, css=CSS, js=JS)


def take_with_you(page: Page, view: View, choice: Choice, plan: Plan) -> None:
    """A quiet place that lists what can be taken along of a view, and cites whose experiment it is."""
    with st.popover("Take with you", icon=":material/download:", type="tertiary", width="content"):
        address = page.write(view, choice)
        theme = "dark" if st.context.theme.type == "dark" else "light"
        data = {"page": page.id, "address": address, "theme": theme, "takes": takes_imports()}
        TAKE(key=f"take-{view.id}", data=data)
