"""What does an MLP block get out of features in superposition?"""

TITLE = "Big fish, small fish, re-projector"
QUESTION = "What does an MLP block get out of features in superposition?"
FIRST_PARAMETER = "view"  # there was only one view, which had no name
ICON, PLACE = "set_meal", 3  # in the menu
