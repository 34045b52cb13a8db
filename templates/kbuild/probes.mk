# SPDX-License-Identifier: MIT
# Read before the kernel's Makefiles (MAKEFILES). kbuild tries some thirty options of the compiler at
# the start of each run (try-run, scripts/Makefile.compiler); what they gave is defined below, by the
# whole text of the attempt, and a new attempt that succeeds is noted in $(LPPACK_PROBES).
#
# One that fails is not: the compiler may refuse the option, or the machine may have had no room, no
# memory or no process for it, and the two cannot be told apart. An option too few would go into all
# later builds. Of thirty attempts one to five fail, and are made again in each build.
lppack-empty :=
lppack-space := $(lppack-empty) $(lppack-empty)
lppack-hash := \#
lppack-open := (
lppack-close := )
define lppack-line


endef
# The flags of this build, which name its folders, are in no name. What make would not take in a
# variable's name is written with "%".
lppack-1 = $(subst $(lppack-open),%o,$(subst $(lppack-close),%c,$(subst $(lppack-line),%n,$(1))))
lppack-2 = $(subst $(lppack-space),%s,$(subst	,%t,$(subst $(lppack-hash),%h,$(1))))
lppack-3 = $(subst =,%e,$(subst :,%a,$(subst $$,%d,$(subst %,%p,$(1)))))
lppack-name = lppack-probe|$(call lppack-1,$(call lppack-2,$(call lppack-3,$(subst $(KCFLAGS),@,$(1)))))|
# What comes back begins with how the attempt ended; nothing comes back if it could not be made.
lppack-try = $(shell at=$$(mktemp -d -p $(dir $(LPPACK_PROBES))) || exit; TMP=$$at/tmp; \
	trap 'rm -rf "$$at"' EXIT; \
	if ($(1)) > /dev/null 2>&1; then echo "lppack-yes|$(2)"; else echo "lppack-no|$(3)"; fi)
lppack-note = $(file >>$(LPPACK_PROBES),$(1) := $$(lppack-empty)$(2))$(2)
lppack-none = $(error lppack: no option of the compiler can be tried in $(dir $(LPPACK_PROBES)))
lppack-no = $(if $(findstring lppack-no|,$(1)),$(subst lppack-no|,,$(1)),$(lppack-none))
lppack-yes = $(if $(findstring lppack-yes|,$(2)),$(call \
	lppack-note,$(1),$(subst lppack-yes|,,$(2))),$(call lppack-no,$(2)))
lppack-ask = $(call lppack-yes,$(1),$(call lppack-try,$(2),$(3),$(4)))
lppack-find = $(if $(filter undefined,$(origin $(1))),$(call lppack-ask,$(1),$(2),$(3),$(4)),$($(1)))
override try-run = $(call lppack-find,$(call lppack-name,$(1)|$(2)|$(3)),$(1),$(2),$(3))
