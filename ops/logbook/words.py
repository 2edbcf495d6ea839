"""The wording of pages, in one place."""

OUTCOME = {
    "verified": "done and verified",
    "failed": "failed",
    "aborted": "ended before it was done",
    "interrupted": "interrupted",
    "refused": "refused, nothing was touched",
    "rejected": "rejected by an operator",
}
LEFT_OUT = ", {count} hosts left out"
OPEN = {
    "planned": "open: waits for approval",
    "approved": "open: approved, not begun",
    "running": "open: begun, not ended",
    "ended": "ended",
}
HOST = {
    "verified": "done and verified",
    "failed": "failed",
    "refused": "refused before anything was touched",
    "unreachable": "did not answer",
    "not-begun": "not begun",
    "interrupted": "interrupted, how it ended is not known",
}
PACKAGE = {
    "installed": "installed",
    "removed": "removed",
    "installed-pending-restart": "installed, services still run the old one",
    "installed-pending-reboot": "installed, takes effect after a reboot",
    "missing": "missing",
    "deferred": "deferred",
    "held": "held",
    "failed": "failed",
    "unknown": "not known, nobody could look",
}
SECONDS = {
    "plan": "planning",
    "stage": "fetching packages",
    "window": "hosts touched",
    "verify": "verifying",
    "backup": "backing up",
    "drill": "the drill",
    "restore": "restoring",
    "recovery_time": "until the restored server answered",
    "recovery_point": "age of the newest that came back",
}

VERIFY = """
# in a clone of the logbook; allowed_signers comes from the operators' file, not from the clone
git config gpg.ssh.allowedSignersFile "$PWD/.git/allowed_signers"
git log --show-signature -- {folder}
# each commit once more, by OpenSSH alone; -I is the committer's name
git rev-list HEAD -- {folder} | while read -r commit; do
  who=$(git log -1 --format=%cn "$commit")
  git cat-file commit "$commit" | sed '/^gpgsig /,/^ -----END/d' > /tmp/payload
  git cat-file commit "$commit" | sed -n '/^gpgsig /,/^ -----END/{{s/^gpgsig //;s/^ //;p}}' > /tmp/signature
  ssh-keygen -Y verify -f .git/allowed_signers -I "$who" -n git -s /tmp/signature < /tmp/payload
done
# nothing but added files: no line of this begins with M, D, R or T
git log --format=%h --name-status --no-renames -- {folder}
"""
TIMER = """
# the host signed what its timer did; this prints Good "bordbuch-timer" signature for {host}
ssh-keygen -Y verify -f .git/timer_signers -I {host} -n bordbuch-timer -s {folder}/result.json.sig < {folder}/result.json
"""
DIGEST = """
# what was approved is what was planned: both print the same
jq -cjS .actions {folder}/plan.json | sha256sum
jq -r .digest {folder}/plan.json
"""
