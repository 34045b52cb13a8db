// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks twice for a message queue with the last id that there is. A second queue gets an id that
 * cannot be found again, so on a kernel with the defect it stays for as long as its namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#define NEXT_ID "/proc/sys/kernel/msg_next_id"
#define LAST 32767	/* IPCMNI - 1 */

static int queue(void)
{
	char text[16];
	int fd = open(NEXT_ID, O_WRONLY);
	int len = snprintf(text, sizeof(text), "%d", LAST);

	if (fd < 0 || write(fd, text, len) != len)
		perror(NEXT_ID);
	if (fd >= 0)
		close(fd);
	return msgget(IPC_PRIVATE, 0600);
}

int main(void)
{
	struct msqid_ds state;
	int first = queue(), second = queue(), err = errno;

	if (first < 0) {
		perror("the first queue");
		return 1;
	}
	printf("first %s\n", first == LAST ? "the last id" : "another id");
	if (second < 0)
		printf("second: %s\n", strerror(err));
	else
		printf("second %s: %s\n", second > LAST ? "beyond the last id" : "an id",
		       msgctl(second, IPC_STAT, &state) ? strerror(errno) : "found");
	if (second >= 0)
		msgctl(second, IPC_RMID, NULL);
	return msgctl(first, IPC_RMID, NULL);
}
