"""One file per collection of Invoke tasks: argument, call, print."""
