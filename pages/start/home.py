"""What the post found, and where to see it happen."""

from toyviz import ui

ui.title("toyviz", "Small networks that store, mix up and rediscover what they are shown.")
