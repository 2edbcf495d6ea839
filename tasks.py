"""The command line: which collections of tasks exist, nothing else."""

from invoke import Collection

from ops.tasks import audit, backup, changes, drill, lab, package, patch, role, runbook
from ops.tasks.access import access
from ops.tasks.announce import notice, report
from ops.tasks.command import let_usage_errors_exit_2
from ops.tasks.deploy import deploy, drift
from ops.tasks.docs import docs
from ops.tasks.molecule import molecule
from ops.tasks.rebuild import rebuild
from ops.tasks.restore import restore
from ops.tasks.status import status
from ops.tasks.test import test
from ops.tasks.upgrade import upgrade
from ops.tasks.verify import verify

let_usage_errors_exit_2()

namespace = Collection(
    access,
    audit,
    backup,
    changes,
    deploy,
    docs,
    drift,
    drill,
    lab,
    molecule,
    notice,
    package,
    patch,
    rebuild,
    report,
    restore,
    role,
    runbook,
    status,
    test,
    upgrade,
    verify,
)
namespace.configure({"tasks": {"dedupe": False}})
