"""Order: the runner, a file per phase, the whole project, and the command line."""
