"""The command line: which collections of tasks exist, nothing else."""

from invoke import Collection

from ops.tasks import changes, lab, patch
from ops.tasks.test import test
from ops.tasks.command import let_usage_errors_exit_2

let_usage_errors_exit_2()

namespace = Collection(changes, lab, patch, test)
namespace.configure({"tasks": {"dedupe": False}})
