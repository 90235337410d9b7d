"""How can two numbers pick one of a thousand classes?"""

TITLE = "Toy unembedding"
QUESTION = "How can two numbers pick one of a thousand classes?"
FIRST_PARAMETER = "final"  # what the first addresses called the view
ICON, PLACE = "format_list_numbered", 1  # in the menu
