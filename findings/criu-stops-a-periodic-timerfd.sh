#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  criu 4.1.1-1 of Debian 13 (needs mmdebstrap, gcc, root, and a kernel with
#           CONFIG_CHECKPOINT_RESTORE). 3.17.1 of Debian 12 does the same.
# Expected: a process that reads a periodic timerfd goes on after dump and restore as before: the
#           timer expires each 50 ms.
# Seen:     if the timer has expired and was not read when the process was frozen, one more read
#           succeeds, and then the timer never expires again. The kernel re-arms such a timer when
#           it is read, and shows it meanwhile as `ticks: 1`, `it_value: (0, 0)`; CRIU sets just
#           that with timerfd_settime(), where a value of 0 disarms, and puts the tick back, so
#           that the read finds a timer that is not to be armed again. Any dump that takes longer
#           than the interval is enough for it.
# Hurts:    event loops that wait for such a timer alone sleep for ever after a restore that CRIU
#           reports as a success.
set -euo pipefail
place=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$place"' EXIT
mmdebstrap --quiet --variant=extract --include=criu=4.1.1-1 trixie "$place/root.tar"
mkdir "$place/root" "$place/images"
tar -xf "$place/root.tar" -C "$place/root" --exclude='./dev/*'
cat > "$place/ticks.c" <<'C'
#include <stdint.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct itimerspec each = { { 0, 50000000 }, { 0, 50000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	unsigned long sum = 0;
	uint64_t times;

	timerfd_settime(fd, 0, &each, NULL);
	for (;;) {
		FILE *file = fopen(argv[argc - 1], "w");

		usleep(100000);
		if (read(fd, &times, sizeof(times)) == sizeof(times))
			sum += times;
		fprintf(file, "%lu\n", sum);
		fclose(file);
	}
}
C
gcc -static -o "$place/ticks" "$place/ticks.c"
library=$place/root/usr/lib/x86_64-linux-gnu
criu() { "$library/ld-linux-x86-64.so.2" --library-path "$library" "$place/root/usr/sbin/criu" "$@"; }
sum() { local got=; while [ -z "$got" ]; do got=$(cat "$place/sum"); done; echo "$got"; }
criu --version | head -1
setsid "$place/ticks" "$place/sum" < /dev/null > /dev/null 2>&1 &
sleep 1.5
pid=$(pgrep -f "^$place/ticks")
before=$(sum)
criu dump -t "$pid" -D "$place/images" -o dump.log 2> /dev/null
criu restore -D "$place/images" -d -o restore.log 2> /dev/null
sleep 0.5
first=$(sum)
sleep 2
second=$(sum)
echo "expected: about 40 more expirations in two seconds"
echo "seen:     $before before, $first after the restore, $second two seconds later"
[ "$before" -gt 10 ] && [ "$first" = "$second" ] || { echo "the behaviour has changed"; exit 1; }
