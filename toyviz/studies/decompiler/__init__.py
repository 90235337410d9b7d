"""Can a memorising network be replaced by the table that is read off its weights?"""

TITLE = "Decompiler"
QUESTION = "Can a memorising network be replaced by the table that is read off its weights?"
FIRST_PARAMETER = "view"  # there was one view alone, without a name in the address
ICON, PLACE = "manage_search", 2  # in the menu
