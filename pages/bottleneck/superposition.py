"""How a bottleneck stores more features than it has dimensions."""

from toyviz import ui

ui.title("Superposition", "How does a bottleneck store more features than it has dimensions?")
