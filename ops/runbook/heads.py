"""What people wrote about each procedure: when to do it, what it needs, the command, how to see that it worked, how to go
back, whom to tell. The rest of a runbook's page is made from the playbook and the logbook.
"""

from dataclasses import dataclass

from ops.runbook.language import N_

NOBODY = N_("nobody: users notice nothing")
USERS = N_("users, before it begins, and when it is done")
OTHERS = N_("the other administrators")


@dataclass(frozen=True)
class Head:
    """The head of one runbook; every text but ``command`` is in the message file."""

    title: str
    when: str
    needs: str
    command: str
    worked: str
    back: str
    tell: str


HEADS = {
    "patch": Head(
        N_("Patch the hosts"),
        N_(
            "When security updates are out, at the latest within the week; at once where one is being used for attacks."
        ),
        N_(
            "The hosts answer, the package sources answer, no freeze is in force. A normal change needs another operator's yes."
        ),
        "invoke patch",
        N_(
            "The command ends with 0 and says verified for each host: the planned versions, and every check of the gate."
        ),
        N_("invoke patch.revert plans the versions from before as a change of its own."),
        USERS,
    ),
    "patch_plan": Head(
        N_("Plan a patch"),
        N_("Before a patch, to see what it would do, or to ask another operator for approval."),
        N_("The hosts and their package sources answer. Nothing is installed."),
        "invoke patch.plan",
        N_("Each host has a verdict: pending or current. Unknown is not current: the reason stands beside it."),
        N_("Nothing to take back: it only reads, and fetches package files."),
        NOBODY,
    ),
    "site": Head(
        N_("Bring the hosts to what the roles say"),
        N_("After a change of roles or inventory, for a new host, and when hosts have drifted."),
        N_("The inventory has every secret; the hosts answer. A check run shows beforehand what would change."),
        "invoke deploy",
        N_("A second run changes nothing; the hosts' own checks pass."),
        N_("Take the change of role or inventory back, and deploy again."),
        OTHERS,
    ),
    "backup": Head(
        N_("Back up the database"),
        N_("By itself, several times a day. By hand before a risky change."),
        N_("The backup host answers; there is room in each repository."),
        "invoke backup",
        N_("The record names a backup in each repository. It counts for nothing before a drill has restored it."),
        N_("Nothing to take back."),
        NOBODY,
    ),
    "backup_look": Head(
        N_("See how backups stand"),
        N_("When in doubt, and before a restore. The commands for backups begin with it."),
        N_("The hosts answer. It only reads."),
        "invoke backup.list",
        N_("Every backup is listed with its age; invoke backup.check names what is wrong."),
        N_("Nothing to take back."),
        NOBODY,
    ),
    "backup_escrow": Head(
        N_("Fetch the copy of the passphrase for the safe"),
        N_("After the first deploy, and after each change of the passphrase."),
        N_("A place that only the right people can open. The file is shown to nobody else."),
        "invoke backup.escrow",
        N_("Each drill opens the repository with this copy: one that passes proves it."),
        N_("Destroy copies that are not needed."),
        OTHERS,
    ),
    "drill": Head(
        N_("Prove that the backup comes back"),
        N_("By itself each week. By hand after changes of backup or database, and for an audit."),
        N_("The backup host has room for a copy of the database. The live database is not touched."),
        "invoke drill",
        N_("The verdict is pass. Partial means that a step could not look; fail names the step."),
        N_("Nothing to take back: the copy is removed at the end."),
        NOBODY,
    ),
    "restore": Head(
        N_("Restore the database"),
        N_("When data is lost or wrong, or the database host is gone."),
        N_("A backup that a drill has proven; in place also the yes of another operator."),
        "invoke restore",
        N_("The application answers from the restored database; the record says who was locked and deleted again."),
        N_("What was there before is kept aside; a restore that fails brings it back by itself."),
        USERS,
    ),
    "access": Head(
        N_("Compare access rights"),
        N_("Once a month, when somebody comes or leaves, and for an audit."),
        N_("The hosts answer. It only reads."),
        "invoke access",
        N_("The command ends with 0 and names no difference; the page on duties and access shows what was compared."),
        N_("Nothing to take back. What nobody decided is taken from the host, or decided and put into the inventory."),
        NOBODY,
    ),
    "liquidfeedback_upgrade": Head(
        N_("Upgrade LiquidFeedback"),
        N_("When a release is out that is wanted, and its package is built."),
        N_("The package is in the archive; there is room for a dump. A backup that a drill has proven."),
        "invoke upgrade",
        N_("The pages name the new version, and the schema has it; the application's checks pass."),
        N_("Whatever fails brings package and database back by itself. Later: a restore."),
        USERS,
    ),
    "liquidfeedback_upgrade_plan": Head(
        N_("Look for the way of an upgrade"),
        N_("Before an upgrade; invoke upgrade begins with it."),
        N_("The new package is in the archive. Nothing is installed."),
        "invoke upgrade",
        N_("It names the scripts that lead to the wanted schema."),
        N_("Nothing to take back."),
        NOBODY,
    ),
    "logbook": Head(
        N_("Set up the server that keeps the logbook"),
        N_("Once, and after each change of operators or keys."),
        N_("A host whose root is not one of those who patch."),
        "ansible-playbook -i inventory/production playbooks/logbook.yml",
        N_("An entry can be pushed, and a rewritten one is refused."),
        N_("Take the change of the inventory back, and run it again."),
        OTHERS,
    ),
    "repair": Head(
        N_("Repair interrupted package work"),
        N_("When a plan says that a host needs repair."),
        N_("The host answers; no package work runs there."),
        "invoke patch.repair",
        N_("The next plan has a verdict for the host again."),
        N_("Nothing to take back: it finishes what was half done, and removes nothing."),
        OTHERS,
    ),
    "unlock": Head(
        N_("Break the lock that a dead change left"),
        N_("When the change that holds a host is dead for certain: its operator was asked."),
        N_("The package work on the host has ended. It is refused while that runs."),
        "invoke patch.unlock",
        N_("The host's lock is free, and the reason is on record."),
        N_("Nothing to take back."),
        OTHERS,
    ),
    "publish": Head(
        N_("Publish these pages"),
        N_("After changes that offices or auditors are to read, and before an audit."),
        N_("The host of the pages answers; the logbook was verified. Whoever has a login will read all of it."),
        "invoke runbook.publish",
        N_("The record says verified: without a login nobody reads them, with each office's login somebody does."),
        N_("On the host, bordbuch-pages back puts live again what was live before."),
        NOBODY,
    ),
    "publish_look": Head(
        N_("Look what is live of the pages"),
        N_("Before they are published; invoke runbook.publish begins with it."),
        N_("The host of the pages answers. It only reads."),
        "invoke runbook.publish",
        N_("It fetches the list of the files that are live."),
        N_("Nothing to take back."),
        NOBODY,
    ),
    "status": Head(
        N_("See how the hosts stand"),
        N_("At any time."),
        N_("The hosts answer. It only reads."),
        "invoke status",
        N_("Each host has its row; what could not be read says why."),
        N_("Nothing to take back."),
        NOBODY,
    ),
}

MODULES = {
    "command": N_("runs a program"),
    "shell": N_("runs a program"),
    "copy": N_("writes a file"),
    "template": N_("writes a file"),
    "lineinfile": N_("writes a file"),
    "file": N_("makes or removes files and folders"),
    "apt": N_("installs packages"),
    "systemd_service": N_("starts or stops services"),
    "reboot": N_("reboots the host"),
    "user": N_("changes accounts"),
    "group": N_("changes accounts"),
    "authorized_key": N_("changes who may log in"),
    "mount": N_("mounts file systems"),
    "postgresql_db": N_("changes the database"),
    "postgresql_user": N_("changes the database"),
    "postgresql_query": N_("asks or changes the database"),
    "stat": N_("only looks"),
    "slurp": N_("only looks"),
    "assert": N_("only looks"),
    "uri": N_("only looks"),
    "wait_for": N_("only waits"),
    "wait_for_connection": N_("only waits"),
    "fetch": N_("fetches a file"),
    "get_url": N_("fetches a file"),
    "set_fact": N_("changes nothing on hosts"),
    "debug": N_("changes nothing on hosts"),
    "fail": N_("stops what comes after"),
    "include_tasks": N_("does the steps of a file"),
    "import_tasks": N_("does the steps of a file"),
    "include_role": N_("does the steps of a role"),
    "import_role": N_("does the steps of a role"),
    "role": N_("does the steps of a role"),
}
"""What Ansible's own modules change, by their short name; modules of ours describe themselves."""
