"""What `streamlit run app.py` serves: the menu and its pages, the life of the workers, and the door before both."""

import streamlit as st
from starlette.middleware import Middleware

from toyviz import runtime
from toyviz.ui.door import Door

app = st.App("toyviz/ui/main.py", lifespan=runtime.lifespan, middleware=[Middleware(Door)])
