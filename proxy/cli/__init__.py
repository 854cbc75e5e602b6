"""What a person types. One module a command; heavy imports happen inside commands, so that ``--help`` is quick.

``app`` is the entry; ``…_commands`` declare flags and help and hand over to the module that does the work. Data goes to
standard output, talk to standard error; tables on a terminal, tab-separated lines in a pipe. Exit codes: 0 ok,
1 failure, 2 usage, 3 not found, 4 configuration invalid, 5 no server, 6 not allowed, 7 a check found problems.
"""
