"""How does a bottleneck store more features than it has dimensions?"""

TITLE = "Superposition"
QUESTION = "How does a bottleneck store more features than it has dimensions?"
FIRST_PARAMETER = "superposition"  # what the first addresses called the view
ICON, PLACE = "stacks", 1  # in the menu
