#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel's own livepatch runs a new function in the old universe while a livepatch is REVERTED.
#
# Expected (Documentation/livepatch/livepatch.rst): a thread is switched as a whole. A thread that calls outer(), which
# calls inner(), both replaced by one livepatch, meets (old, old) or (new, new), also while the livepatch goes away.
#
# Seen on a kernel that may preempt kernel code (here Debian's 7.2.12+deb13-amd64, PREEMPT_LAZY): (new outer, old inner),
# only while unpatching. klp_ftrace_handler() has decided for the new function, but until the ftrace trampoline has put the
# new function's address in the place of the return address, it is in the saved registers only, and no return address on
# the stack lies in the new function. A thread that is preempted there, at the end of the handler or in the trampoline,
# looks as if it were outside: klp_check_stack_func() lets it be switched to the old universe, and it goes on into the new
# function. While a first livepatch is patched in, this cannot happen: then the old function is looked for, and the
# address behind its fentry call is on the stack. (To enable a livepatch over another is open in the same way as a revert:
# then the other one's functions are looked for. This script does not show that.)
#
# Needs: bash, curl, apt, dpkg-deb, mmdebstrap, cpio, gzip, sha256sum, qemu-system-x86_64 (software emulation is enough).
# Takes about 4 minutes on two slow CPUs with 8 rounds; ROUNDS=30 gave 78 mixed pairs while unpatching and none while patching.
# Exit status: 0 seen as described, 1 it changed, 2 the guest did not come to its end, 3 packages or tools cannot be had.
set -euo pipefail

rounds=${ROUNDS:-8}
threads=8
release=7.2.12+deb13-amd64
version=7.2.12-1~bpo13+1
compiler=14.2.0-19
deadline=$((300 + rounds * 90))

packages="
main/l/linux-signed-amd64/linux-binary-${release}_${version}_amd64.deb 0d916c7f1310a7cb0567f235785d1c4511d894eb95e9810a2bc1f67e7ec18c2f
main/l/linux/linux-headers-${release}_${version}_amd64.deb f4a0369d09122cf77410d651d7a1ecba8a861970013d566aafd79cdb7d261dd8
main/l/linux/linux-headers-7.2.12+deb13-common_${version}_all.deb 8456354805802dd3f44839693e5eb966fc75ac1ef5af4a7ffb0b368245580ce5
main/l/linux/linux-kbuild-7.2.12+deb13_${version}_amd64.deb 7b8867533c2fb100dacded82c2d2b4fc548841980f691b807d2d0b7d418f7356
main/b/busybox/busybox-static_1.37.0-6+b9_amd64.deb 598a3fd92bdafc34cd81196b2952ad36e910e47a4ecf162f8ce5e8e262598e53
"

cannot() { echo "cannot run: $*"; exit 3; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree" "$work/module" "$work/root" "$work/root/bin"
chmod 755 "$work"

for tool in curl apt-get dpkg-deb mmdebstrap cpio gzip sha256sum qemu-system-x86_64; do
    command -v "$tool" > /dev/null || cannot "no $tool"
done

# The mirror that this machine's own apt uses for Debian's main archive.
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
[ -n "$mirror" ] || cannot "apt knows no Debian archive"
mirror=${mirror%/}

while read -r path sum; do
    [ -n "$path" ] || continue
    file=$work/${path##*/}
    curl -fsS --retry 2 --max-time 600 -o "$file" "$mirror/pool/$path" || cannot "no ${path##*/} in the pool"
    echo "$sum  $file" | sha256sum --quiet -c - || cannot "${path##*/} is not the package that is meant"
    echo "package $(dpkg-deb -W --showformat='${Package} ${Version}' "$file")"
    dpkg-deb -x "$file" "$work/tree"
    rm "$file"
done <<< "$packages"

cat > "$work/module/victim.c" <<'C'
#include <linux/module.h>
#include <linux/kthread.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/sched.h>

static int threads;
module_param(threads, int, 0444);
static unsigned long pair[32][3][3];		/* [thread][version of outer][version of inner] */

unsigned int victim_inner(void);
unsigned int victim_outer(void);

__attribute__((noipa)) unsigned int victim_inner(void)
{
	asm volatile("");
	return 1;
}
EXPORT_SYMBOL_GPL(victim_inner);

__attribute__((noipa)) unsigned int victim_outer(void)
{
	asm volatile("");
	return 1 << 8 | victim_inner();
}

static int loop(void *data)
{
	unsigned long (*mine)[3] = data, n = 0;
	unsigned int v;

	while (!kthread_should_stop()) {
		v = victim_outer();
		mine[v >> 8][v & 0xff]++;
		if (++n % 100000 == 0)
			schedule_timeout_interruptible(1);	/* sleeps now and then, outside of both */
		cond_resched();
	}
	return 0;
}

static unsigned long sum(int outer, int inner)
{
	unsigned long all = 0;
	int i;

	for (i = 0; i < threads; i++)
		all += READ_ONCE(pair[i][outer][inner]);
	return all;
}

/* (old, old) (new, new) (old, new) (new, old) */
static int show(struct seq_file *m, void *v)
{
	seq_printf(m, "%lu %lu %lu %lu\n", sum(1, 1), sum(2, 2), sum(1, 2), sum(2, 1));
	return 0;
}

static int __init start(void)
{
	int i;

	if (threads < 1 || threads > 32 || !proc_create_single("victim", 0444, NULL, show))
		return -EINVAL;
	for (i = 0; i < threads; i++)
		kthread_run(loop, pair[i], "victim/%d", i);
	return 0;
}
module_init(start);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Two functions that belong together");
C
cat > "$work/module/patch.c" <<'C'
#include <linux/module.h>
#include <linux/livepatch.h>

unsigned int victim_inner(void);

static __attribute__((noipa)) unsigned int new_inner(void)
{
	asm volatile("");
	return 2;
}

static __attribute__((noipa)) unsigned int new_outer(void)
{
	asm volatile("");
	return 2 << 8 | victim_inner();
}

static struct klp_func funcs[] = {
	{ .old_name = "victim_outer", .new_func = new_outer },
	{ .old_name = "victim_inner", .new_func = new_inner },
	{ }
};
static struct klp_object objects[] = { { .name = "victim", .funcs = funcs }, { } };
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init start(void)
{
	return klp_enable_patch(&patch);
}

static void __exit stop(void)
{
}
module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Replaces both");
MODULE_INFO(livepatch, "Y");
C
echo "obj-m := victim.o patch.o" > "$work/module/Makefile"

# A throw-away Debian 13 compiles the modules: the headers ask for its gcc, and the tools beside them for its libraries.
echo "compiling with gcc-14 $compiler of trixie"
tar -C "$work/tree" -cf "$work/headers.tar" usr/src usr/lib
if ! mmdebstrap --quiet --variant=apt --format=null --include="make,pahole,libelf1t64,libssl3t64,gcc-14=$compiler" \
    --customize-hook="tar-in $work/headers.tar /" \
    --customize-hook="copy-in $work/module /" \
    --customize-hook="chroot \"\$1\" make -C /usr/src/linux-headers-$release M=/module CC=gcc-14 modules >&2" \
    --customize-hook="copy-out /module/victim.ko /module/patch.ko $work/root" \
    trixie /dev/null "deb $mirror trixie main" 2> "$work/build.log"; then
    tail -n 20 "$work/build.log"
    cannot "the modules could not be built"
fi

cp "$work/tree/usr/bin/busybox" "$work/root/bin/"
cat > "$work/root/init" <<'I'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /proc /sys
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t debugfs debugfs /sys/kernel/debug
for word in $(cat /proc/cmdline); do case $word in t_*=*) eval "$word" ;; esac; done
stop() { echo "STOP $*"; dmesg | tail -n 20; poweroff -f; }
soon() { # WHAT COMMAND...: until it is true, at most about five minutes
    what=$1 n=0; shift
    until "$@" 2> /dev/null; do n=$((n + 1)); [ $n -lt 3000 ] || stop "$what"; sleep 0.1; done
}
mixed() { set -- $(cat /proc/victim); echo $(($3 + $4)); }
patched() { [ "$(cat /sys/kernel/livepatch/patch/transition)" = 0 ]; }
unpatched() { [ ! -d /sys/kernel/livepatch/patch ]; }
echo; echo "KERNEL $(uname -rv), preemption $(cat /sys/kernel/debug/sched/preempt)"
insmod /victim.ko threads=$t_threads || stop "victim.ko"
sleep 1
before=$(mixed) patching=0 unpatching=0 round=0
while [ $round -lt $t_rounds ]; do
    round=$((round + 1))
    insmod /patch.ko || stop "patch.ko"
    soon "the patching does not end" patched
    now=$(mixed) p=$((now - before)) before=$now
    echo 0 > /sys/kernel/livepatch/patch/enabled
    soon "the unpatching does not end" unpatched
    now=$(mixed) u=$((now - before)) before=$now
    soon "the livepatch cannot be removed" rmmod patch
    patching=$((patching + p)) unpatching=$((unpatching + u))
    echo "ROUND $round: mixed pairs while patching +$p, while unpatching +$u"
done
set -- $(cat /proc/victim)
echo "END $patching $unpatching $1 $2 $3 $4"
poweroff -f
I
chmod 755 "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) > "$work/initramfs"

# One emulating thread: QEMU before 8.1 may run stale code when several threads emulate and the guest rewrites its code.
qemu-system-x86_64 --version | head -n 1
echo "booting $release, $threads threads on 2 CPUs, $rounds rounds, at most $deadline s"
timeout -k 5 "$deadline" qemu-system-x86_64 -accel tcg,thread=single -cpu max -smp 2 -m 1G -nodefaults -nographic \
    -no-reboot -serial stdio -kernel "$work/tree/usr/lib/modules/$release/vmlinuz" -initrd "$work/initramfs" \
    -append "console=ttyS0 quiet loglevel=1 panic=-1 t_threads=$threads t_rounds=$rounds" < /dev/null 2>&1 |
    sed -u 's|\r||' | tee "$work/console" | grep --line-buffered -aE '^(KERNEL|ROUND|STOP)|Oops|BUG:|Kernel panic' || true

line=$(grep -a '^END ' "$work/console" || true)
if [ -z "$line" ]; then
    tail -n 20 "$work/console"
    echo "the guest did not come to its end"
    exit 2
fi
read -r _ patching unpatching oldold newnew oldnew newold <<< "$line"
echo "calls (outer, inner): (old, old) $oldold, (new, new) $newnew, (old, new) $oldnew, (new, old) $newold"
echo "expected: no mixed pair, neither while patching nor while unpatching"
echo "seen:     $patching mixed pairs in $rounds patchings, $unpatching in $rounds unpatchings"
if [ "$patching" = 0 ] && [ "$unpatching" -gt 0 ] && [ "$oldnew" = 0 ]; then
    echo "as described: a revert lets threads run the new outer() and then the old inner()"
    exit 0
fi
echo "CHANGED: this is not what was described"
exit 1
