/*
 * g02 -- many members, many groups.
 *
 * 500 members that join at once settle in one generation; 5,000 groups cost
 * little memory and are there again after kill -9.  By hand on the wire: no
 * client would do it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/cluster.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define MEMBERS 500
#define GROUPS 5000
#define GROUP_BYTES_MAX 8192 /* of resident memory */
#define LIMIT_MS 60000

enum { OFFSET_COMMIT = 8, OFFSET_FETCH = 9, FIND = 10, JOIN = 11, SYNC = 14 };

static struct kt_cluster *c;
static struct kt_bytes body, answer;

static void
send_(int fd, int api, int version)
{
	kt_send_request(fd, api, version, 1, &body);
}

static void
receive(int fd)
{
	KT_EQ(kt_receive(fd, LIMIT_MS, &answer), KT_ANSWER);
	(void)kt_get_i32(&answer); /* correlation id */
}

static void
begin(const char *group)
{
	body.len = 0;
	kt_put_str(&body, group);
}

static int
dial(void)
{
	int fd = kt_connect(c->b[0].port[KT_PLAIN]);

	KT_CHECK(fd >= 0);
	return fd;
}

/* The coordinator serves every group. */
static bool
served(int fd)
{
	begin("any");
	send_(fd, FIND, 0);
	receive(fd);
	if (kt_get_i16(&answer) != 0)
		return false;
	body.len = 0;
	send_(fd, 16, 0); /* ListGroups */
	receive(fd);
	return kt_get_i16(&answer) == 0;
}

/* --- one large group --------------------------------------------------------
 */

static void
join(int fd)
{
	begin("large");
	kt_put_i32(&body, 60000);
	kt_put_str(&body, "");
	kt_put_str(&body, "consumer");
	kt_put_i32(&body, 1);
	kt_put_str(&body, "range");
	kt_put_i32(&body, 0);
	send_(fd, JOIN, 0);
}

/* The generation; id and whether it leads. */
static int
joined(int fd, char *id, bool *leads)
{
	char text[200], leader[200];
	int generation;

	receive(fd);
	KT_EQ(kt_get_i16(&answer), 0);
	generation = kt_get_i32(&answer);
	(void)kt_get_str(&answer, text, sizeof text);
	KT_CHECK(strcmp(text, "range") == 0);
	(void)kt_get_str(&answer, leader, sizeof leader);
	(void)kt_get_str(&answer, id, 200);
	*leads = strcmp(leader, id) == 0;
	KT_EQ(kt_get_i32(&answer), *leads ? MEMBERS : 0);
	return generation;
}

static void
sync_(int fd, int generation, const char *id, char (*all)[200])
{
	begin("large");
	kt_put_i32(&body, generation);
	kt_put_str(&body, id);
	kt_put_i32(&body, all != NULL ? MEMBERS : 0);
	for (int i = 0; all != NULL && i < MEMBERS; i++) {
		kt_put_str(&body, all[i]);
		kt_put_i32(&body, 4);
		kt_put_i32(&body, i);
	}
	send_(fd, SYNC, 0);
}

static void
large_group(void)
{
	static int fds[MEMBERS];
	static char ids[MEMBERS][200];
	int leader = -1, generation = 0;
	int64_t start;

	for (int i = 0; i < MEMBERS; i++)
		fds[i] = dial();
	start = kt_now_ms();
	for (int i = 0; i < MEMBERS; i++)
		join(fds[i]);
	for (int i = 0; i < MEMBERS; i++) {
		bool leads;

		generation = joined(fds[i], ids[i], &leads);
		KT_EQ(generation, 1);
		if (leads)
			leader = i;
	}
	KT_CHECK(leader >= 0);
	for (int i = 0; i < MEMBERS; i++)
		sync_(fds[i], generation, ids[i], i == leader ? ids : NULL);
	for (int i = 0; i < MEMBERS; i++) {
		receive(fds[i]);
		KT_EQ(kt_get_i16(&answer), 0);
		KT_EQ(kt_get_i32(&answer), 4);
		KT_EQ(kt_get_i32(&answer), i);
		close(fds[i]);
	}
	kt_step(
	    "%d members settled in %d ms", MEMBERS, (int)(kt_now_ms() - start));
}

/* --- many small ones --------------------------------------------------------
 */

static long
resident(void)
{
	char path[64], *text, *at;
	long kib;

	snprintf(path, sizeof path, "/proc/%d/status", (int)c->b[0].pid);
	text = kt_read_file(path);
	at = strstr(text, "VmRSS:");
	KT_CHECK(at != NULL);
	kib = strtol(at + strlen("VmRSS:"), NULL, 10);
	free(text);
	return kib * 1024;
}

static const char *
name(int i)
{
	static char text[32];

	snprintf(text, sizeof text, "group-%d", i);
	return text;
}

static void
commit(int fd, int i)
{
	begin(name(i));
	kt_put_i32(&body, -1);
	kt_put_str(&body, "");
	kt_put_i64(&body, -1);
	kt_put_i32(&body, 1);
	kt_put_str(&body, "t");
	kt_put_i32(&body, 1);
	kt_put_i32(&body, 0);
	kt_put_i64(&body, i);
	kt_put_str(&body, "");
	send_(fd, OFFSET_COMMIT, 2);
	receive(fd);
	KT_EQ(kt_get_i32(&answer), 1);
	(void)kt_get_str(&answer, (char[8]){ 0 }, 8);
	KT_EQ(kt_get_i32(&answer), 1);
	(void)kt_get_i32(&answer);
	KT_EQ(kt_get_i16(&answer), 0);
}

static int64_t
committed(int fd, int i)
{
	begin(name(i));
	kt_put_i32(&body, 1);
	kt_put_str(&body, "t");
	kt_put_i32(&body, 1);
	kt_put_i32(&body, 0);
	send_(fd, OFFSET_FETCH, 1);
	receive(fd);
	KT_EQ(kt_get_i32(&answer), 1);
	(void)kt_get_str(&answer, (char[8]){ 0 }, 8);
	KT_EQ(kt_get_i32(&answer), 1);
	(void)kt_get_i32(&answer);
	return kt_get_i64(&answer);
}

static void
many_groups(void)
{
	int fd = dial();
	long before = resident(), each;
	int64_t start = kt_now_ms();

	for (int i = 0; i < GROUPS; i++)
		commit(fd, i);
	each = (resident() - before) / GROUPS;
	kt_step("%d groups: %ld bytes each, %d ms", GROUPS, each,
	    (int)(kt_now_ms() - start));
#ifndef __SANITIZE_ADDRESS__ /* then the broker is as well, and large */
#ifndef __SANITIZE_THREAD__
	KT_CHECKF(each < GROUP_BYTES_MAX, "%ld bytes for a group", each);
#endif
#endif
	close(fd);
	kt_broker_kill(c, 0);
	kt_broker_start(c, 0);
	fd = dial();
	start = kt_now_ms();
	KT_UNTIL(LIMIT_MS, served(fd));
	for (int i = 0; i < GROUPS; i++)
		KT_EQ(committed(fd, i), i);
	kt_step("all are there after kill -9, in %d ms",
	    (int)(kt_now_ms() - start));
	close(fd);
}

int
main(void)
{
	int fd;

	c = kt_cluster_start(1, "group.initial.rebalance.delay.ms=1000\n");
	kt_bytes_init(&body);
	kt_bytes_init(&answer);
	KT_EQ(kt_wire_create(c->b[0].port[KT_PLAIN], "t", 1), 0);
	fd = dial();
	KT_UNTIL(LIMIT_MS, served(fd));
	close(fd);
	large_group();
	many_groups();
	kt_bytes_free(&body);
	kt_bytes_free(&answer);
	kt_cluster_stop(&c);
	return 0;
}
