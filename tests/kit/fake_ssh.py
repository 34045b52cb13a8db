# SPDX-License-Identifier: MIT
"""An `ssh` on PATH that plays a host."""

from collections.abc import Callable

#: A master that stays until its input ends; each request is answered as the file `behave` says, of
#: which $line is what the far side would have run.
FAKE = r"""#!/bin/sh
cd "${0%/*}"
echo "$@" | tr "\n" " " >> calls; echo >> calls
for word; do
    [ "$before" = -S ] && socket=$word
    [ "$word" = ControlMaster=yes ] && master=1
    before=$word
done
line=$word
if [ "$master" ]; then
    [ -e refuse ] && { cat refuse >&2; exit 255; }
    : > "$socket"
    exec cat > /dev/null
fi
case $line in
*"while IFS= read -r line"*)
    while read -r request; do
        line=". $PWD/setup; $request"
        (. ./behave) < /dev/null || exit
    done;;
*) . ./behave;;
esac
"""


HONEST = 'exec sh -c "$line"'


Behave = Callable[[str], None]
