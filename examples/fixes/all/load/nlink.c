// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares the number of links of directories in /proc with what it should be: two, and one for
 * each directory in it. nlink: all that are registered, /proc/self/net, and that of a new network
 * namespace.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned int seen, wrong;

/* Those of the directory at path; with deep also of all below it are compared. */
static void look(const char *path, int deep, unsigned long *links, unsigned long *right)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	struct stat st;

	if (!dir || stat(path, &st)) {
		perror(path);
		exit(1);
	}
	*links = st.st_nlink;
	*right = 2;
	while ((entry = readdir(dir))) {
		char below[512];
		unsigned long l, r;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		++*right;
		/* Processes and sysctls are not registered. */
		if (!deep || isdigit(entry->d_name[0]) || !strcmp(entry->d_name, "sys"))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		look(below, 1, &l, &r);
		seen++;
		wrong += l != r;
	}
	closedir(dir);
}

static void of_net(const char *where)
{
	unsigned long links, right;

	look("/proc/self/net", 0, &links, &right);
	printf("%s: %lu links, right %lu\n", where, links, right);
}

int main(void)
{
	unsigned long links, right;

	look("/proc", 1, &links, &right);
	printf("%s of %s directories wrong\n", wrong ? "some" : "none", seen > 4 ? "many" : "few");
	of_net("here");
	if (unshare(CLONE_NEWNET)) {
		perror("unshare");
		return 1;
	}
	of_net("new namespace");
	return 0;
}
