"""When does a single neuron stand for a single feature?"""

TITLE = "Privileged basis"
QUESTION = "When does a single neuron stand for a single feature?"
FIRST_PARAMETER = "view"  # there was one view alone, without a name in the address
ICON, PLACE = "align_vertical_bottom", 1  # in the menu
