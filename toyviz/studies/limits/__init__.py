"""How many features come back out of a bottleneck?"""

TITLE = "Limits of reconstruction"
QUESTION = "How many features come back out of a bottleneck?"
FIRST_PARAMETER = "limits"  # what the first addresses called the view
ICON, PLACE = "grid_on", 3  # in the menu
