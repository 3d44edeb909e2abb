/*
 * A log dir from anywhere.  The first byte says which file of a partition
 * the rest becomes, and whether the last stop was clean; the other files are
 * those of a small good log.  Loading repairs it or refuses it; what it
 * repairs reads to its end, takes an append, and loads again the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kbroker/log/log_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/rand.h"
#include "kcommon/io/file.h"
#include "kcommon/io/file_guard.h"
#include "kcommon/record/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const targets[] = { "t-0/00000000000000000000.log",
	"t-0/00000000000000000000.index", "t-0/00000000000000000000.timeindex",
	"t-0/00000000000000000000.txnindex",
	"t-0/00000000000000000006.snapshot", "t-0/leader-epoch-checkpoint",
	"t-0/partition.metadata", "t-0/00000000000000000003.log",
	"t-0/00000000000000000000.log.swap" };

static void
on_kick(struct kb_log_host *h, struct kb_log *log)
{
	(void)h;
	(void)log;
}

static void
on_fail(struct kb_log_host *h, int rc, const char *what)
{
	(void)rc;
	(void)what;
	atomic_store(&h->offline, true);
}

static int
append(struct kb_log *log, bool txn)
{
	struct kc_build_params p = kc_build_params_default;
	struct kc_record rec = { .key = KC_STR_NULL,
		.value = KC_STR_LIT("value") };
	struct kb_append a = { .leader_epoch = 1 };
	struct kc_build bld;
	struct kc_wr w;
	int rc, i;

	if (txn) {
		p.attributes = KC_ATTR_TXN;
		p.producer_id = 1;
		p.producer_epoch = 0;
		p.base_sequence = 0;
	}
	kc_wr_init(&w, 0);
	kc_build_open(&bld, &p, NULL, &w);
	for (i = 0; i < 2; i++) {
		rec.offset = i;
		rec.timestamp = 1700000000000 + i;
		KC_ASSERT(kc_build_append(&bld, &rec) == KC_OK);
	}
	KC_ASSERT(kc_build_finish(&bld) == KC_OK);
	a.p = w.p;
	a.len = w.len;
	rc = kb_log_append(log, &a);
	kc_wr_fini(&w);
	return rc;
}

static void
spit(int dirfd, const char *name, const uint8_t *p, size_t len)
{
	int fd = -1;

	KC_ASSERT(kc_file_system.open(&fd, dirfd, name,
		      KC_FILE_WRITE | KC_FILE_CREATE | KC_FILE_TRUNC) == KC_OK);
	KC_ASSERT(kc_file_system.pwrite(fd, p, len, 0) == KC_OK);
	kc_file_system.close(fd);
}

/* Every slice up to the end, as far as headers are right. */
static void
read_all(struct kb_log *log)
{
	struct kb_log_read rd = { .max_bytes = 100, .min_one = true };
	struct kb_log_slice s;
	struct kb_aborted *v;
	struct kb_log_at at;
	int64_t last;
	int n;

	for (rd.offset = log->start; rd.offset < log->end;) {
		if (kb_log_read(log, &rd, &s) != KC_OK || s.len == 0)
			break;
		last = rd.offset;
		rd.offset = s.end_offset;
		kb_log_slice_fini(&s);
		KC_ASSERT(rd.offset > last);
	}
	if (kb_log_aborted(log, log->start, log->end, &v, &n) == KC_OK)
		free(v);
	(void)kb_log_find_timestamp(log, 1700000000001, &at);
	(void)kb_log_find_max_timestamp(log, &at);
}

static void
check(struct kb_log_host *host, struct kb_log_open *in)
{
	struct kb_log *log = NULL;
	int64_t end;

	if (kb_log_open(&log, host, in) != KC_OK)
		return;
	read_all(log);
	if (append(log, false) == KC_OK) {
		end = kb_log_end(log);
		in->recovery_point = 0;
		if (kb_log_close(log, true) == KC_OK) {
			kb_log_put(&log);
			in->clean = true;
			if (kb_log_open(&log, host, in) != KC_OK)
				return;
			KC_ASSERT(kb_log_end(log) == end);
			(void)kb_log_truncate(log, end / 2);
		}
	}
	kb_log_abandon(log);
	kb_log_put(&log);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kb_log_open in = { .folder = "t-0",
		.topic = "t",
		.cfg = kb_log_config_default,
		.clean = true };
	struct kb_log_host host = { .path = "fuzz",
		.kick = on_kick,
		.fail = on_fail,
		.producer_expiration_ms = INT64_MAX };
	char path[] = "/dev/shm/fuzz-segment-XXXXXX";
	struct kb_log *log = NULL;
	struct kc_rand rnd;
	struct kc_env env = {
		.clock = &kc_clock_system, .rand = &rnd, .file = &kc_file_system
	};
	struct kc_logger *quiet = NULL;

	if (size < 1)
		return 0;
	kc_rand_init_seed(&rnd, 1);
	KC_ASSERT(kc_guard_install() == KC_OK);
	KC_ASSERT(kc_logger_open(&quiet, STDERR_FILENO) == KC_OK);
	(void)kc_logger_set_level(quiet, "root", KC_LOG_OFF);
	(void)kc_log_use(quiet);
	if (mkdtemp(path) == NULL)
		return 0;
	host.env = &env;
	in.cfg.index_interval_bytes = 10;
	KC_ASSERT(
	    kc_file_system.open_dir(&host.dirfd, KC_FILE_CWD, path) == KC_OK);
	KC_ASSERT(kc_file_system.mkdir(host.dirfd, "t-0") == KC_OK);
	KC_ASSERT(kb_log_open(&log, &host, &in) == KC_OK);
	KC_ASSERT(append(log, false) == KC_OK);
	KC_ASSERT(append(log, true) == KC_OK);
	KC_ASSERT(append(log, false) == KC_OK);
	KC_ASSERT(kb_log_close(log, true) == KC_OK);
	kb_log_put(&log);

	spit(host.dirfd, targets[(data[0] & 0x7f) % KC_COUNT(targets)],
	    data + 1, size - 1);
	in.clean = (data[0] & 0x80) != 0;
	check(&host, &in);
	kc_file_system.close(host.dirfd);
	(void)kc_file_remove_tree(&kc_file_system, KC_FILE_CWD, path);
	(void)kc_log_use(NULL);
	kc_logger_close(&quiet);
	return 0;
}
