"""Does a network memorise better that is a lookup table from the start?"""

TITLE = "Starting as a dictionary"
QUESTION = "Does a network memorise better that is a lookup table from the start?"
FIRST_PARAMETER = "view"  # there was one view alone, without a name in the address
ICON, PLACE = "flag", 3  # in the menu
