"""The command line: arguments in, progress and results out; decides nothing."""
