"""Taking things along: figures, networks and scripts of every view, and bringing networks back; see docs/exports.md."""
