# SPDX-License-Identifier: MIT
# Read before the kernel's Makefiles (MAKEFILES). kbuild tries some thirty options of the compiler at
# the start of each run (try-run, scripts/Makefile.compiler); what they gave is defined below, by the
# whole text of the attempt, and a new attempt is noted in $(LPPACK_PROBES).
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
lppack-try = $(shell at=$$(mktemp -d); TMP=$$at/tmp; \
	if ($(1)) > /dev/null 2>&1; then echo "$(2)"; else echo "$(3)"; fi; rm -rf $$at)
lppack-note = $(file >>$(LPPACK_PROBES),$(1) := $$(lppack-empty)$(2))$(2)
lppack-ask = $(call lppack-note,$(1),$(call lppack-try,$(2),$(3),$(4)))
lppack-find = $(if $(filter undefined,$(origin $(1))),$(call lppack-ask,$(1),$(2),$(3),$(4)),$($(1)))
override try-run = $(call lppack-find,$(call lppack-name,$(1)|$(2)|$(3)),$(1),$(2),$(3))
