"""When does a network stop memorising its samples and start to generalise?"""

TITLE = "Double descent"
QUESTION = "When does a network stop memorising its samples and start to generalise?"
FIRST_PARAMETER = "descent"  # what the first addresses called the view
ICON, PLACE = "show_chart", 2  # in the menu
