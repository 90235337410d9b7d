"""How do a few neurons store a list, and can it be read off the weights?"""

TITLE = "Dictionaries"
QUESTION = "How do a few neurons store a list, and can it be read off the weights?"
FIRST_PARAMETER = "tab"  # what the first addresses called the view
ICON, PLACE = "dictionary", 1  # in the menu
