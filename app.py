"""What `streamlit run app.py` serves: the menu and its pages, the workers, downloads, and the door before all."""

import streamlit as st
from starlette.middleware import Middleware

from toyviz import runtime
from toyviz.ui.door import Door
from toyviz.ui.downloads import ROUTES

app = st.App("toyviz/ui/main.py", lifespan=runtime.lifespan, routes=ROUTES, middleware=[Middleware(Door)])
