"""The command line: which collections of tasks exist, nothing else."""

from invoke import Collection

from ops.tasks import lab

namespace = Collection(lab)
