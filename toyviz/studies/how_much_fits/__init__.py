"""Is there a simple law for how many features a bottleneck gives back?"""

TITLE = "How much fits"
QUESTION = "Is there a simple law for how many features a bottleneck gives back?"
FIRST_PARAMETER = "view"  # the first addresses had none: there was one view
ICON, PLACE = "straighten", 4  # in the menu
