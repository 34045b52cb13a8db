#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  ansible-core 2.19.14 (PyPI); ssh for the host that cannot be reached.
# Expected: any_errors_fatal makes a play with `serial` stricter: a host that is lost in one batch ends the
#           play, as one whose task fails does. Without it, a batch that has lost all of its hosts ends
#           the play already.
# Seen:     with any_errors_fatal, the next batch begins although no host of the first one could be
#           reached: the setting makes the play go on where it would have ended. ansible/ansible#82834 has
#           more of it.
# Hurts:    who sets it for a roll-out in waves of one or more canaries: if a canary is lost, by what was
#           rolled out or by chance, all other hosts get the change.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check ansible-core==2.19.14
cd "$place"
cat > inventory << 'INVENTORY'
canary ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1
second ansible_connection=local
third ansible_connection=local
INVENTORY
: > ansible.cfg
play() { # file, further setting, command of its task: prints the hosts that have run the task
    printf '%s\n' "- hosts: all" "  gather_facts: false" "  serial: 1" "$2" "  tasks:" "    - ansible.builtin.raw: $3" > "$1"
    { ANSIBLE_CONFIG=$place/ansible.cfg ANSIBLE_HOME=$place/home ANSIBLE_NOCOLOR=1 env/bin/ansible-playbook -i inventory "$1" || true; } > "$1.log" 2>&1
    sed -n 's/^changed: \[\(.*\)\]$/\1/p' "$1.log" | xargs
}
env/bin/pip list --disable-pip-version-check 2> /dev/null | grep '^ansible-core'
without=$(play without.yml "" "echo done")
lost=$(play lost.yml "  any_errors_fatal: true" "echo done")
[ "$(grep -l "canary .*unreachable=1" without.yml.log lost.yml.log | wc -l)" = 2 ]
sed -i 's/^canary .*/canary ansible_connection=local/' inventory
failed=$(play failed.yml "  any_errors_fatal: true" "test {{ inventory_hostname }} != canary")
echo "the canary fails, any_errors_fatal:       changed: ${failed:-none}"
echo "the canary is lost, no setting:           changed: ${without:-none}"
echo "the canary is lost, any_errors_fatal:"
echo "expected: changed: none"
echo "seen:     changed: ${lost:-none}"
[ -z "$failed$without" ] && [ "$lost" = "second third" ] || { echo "the behaviour has changed"; exit 1; }
