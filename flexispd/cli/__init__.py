"""
The command line: one file for each group of commands.

Commands parse, call one thing and print. Whatever is heavy is imported inside the command that needs it, so that
`flexispd --help` and `flexispd profile list` answer at once.
"""
