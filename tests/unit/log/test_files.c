/* Small files and names: malformed ones first. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>

#include "kbroker/log/bytes.h"
#include "kbroker/log/checkpoint.h"
#include "kbroker/log/meta_properties.h"
#include "kbroker/log/names.h"
#include "kbroker/log/partition_metadata.h"
#include "kbroker/log/time_index.h"
#include "kbroker/log/txn_index.h"
#include "tests/unit/log/common.h"

static struct kt_world w;

static void
setup(void)
{
	kt_world_open(&w);
}

static void
teardown(void)
{
	kt_world_close(&w);
}

TestSuite(log_files, .init = setup, .fini = teardown);

/*
 * Goal: a folder or file that is not ours is never taken for one.
 * Method: names that are one step off.
 */
Test(log_files, names_that_are_none)
{
	static const char *const folders[] = { "", "t", "-0", "t-", "t-x",
		"t-0x", "t- 0", "t-99999999999", "t-0-delete", "t-0.-delete",
		"-0.abc-delete", "t.abc-delete" };
	static const char *const files[] = { "", "0.log",
		"0000000000000000000.log", "000000000000000000000.log",
		"0000000000000000000x.log", "00000000000000000000.lo",
		"00000000000000000000.log.x", "99999999999999999999.log",
		"00000000000000000000.logdeleted" };
	struct kb_file_name fn;
	struct kb_folder f;
	size_t i;

	for (i = 0; i < KC_COUNT(folders); i++)
		cr_expect_not(
		    kb_name_parse_folder(folders[i], &f), "%s", folders[i]);
	for (i = 0; i < KC_COUNT(files); i++)
		cr_expect_not(
		    kb_name_parse_file(files[i], &fn), "%s", files[i]);
}

Test(log_files, names_that_are)
{
	char topic[250], buf[KB_PATH_MAX];
	struct kb_file_name fn;
	uint8_t id[16] = { 0xab };
	struct kb_folder f;

	cr_assert(kb_name_parse_folder("a-b.c-12", &f));
	cr_assert_str_eq(f.topic, "a-b.c");
	cr_assert_eq(f.partition, 12);
	cr_assert_eq(f.kind, KB_FOLDER_CURRENT);
	cr_assert(kb_name_parse_folder("t-1.0123-future", &f));
	cr_assert_eq(f.kind, KB_FOLDER_FUTURE);
	cr_assert_eq(f.partition, 1);
	cr_assert(kb_name_parse_folder("t-1.0123-stray", &f));
	cr_assert_eq(f.kind, KB_FOLDER_STRAY);
	cr_assert(
	    kb_name_parse_file("00000000000000000042.txnindex.swap", &fn));
	cr_assert_eq(fn.base, 42);
	cr_assert_eq(fn.kind, KB_FILE_TXNINDEX);
	cr_assert_eq(fn.state, KB_STATE_SWAP);
	cr_assert_str_eq(kb_name_file(buf, "t-0", &fn),
	    "t-0/00000000000000000042.txnindex.swap");

	/* The longest topic is cut, and still parses. */
	memset(topic, 't', 249);
	topic[249] = '\0';
	(void)kb_name_delete(buf, topic, 2147483647, id);
	cr_assert_eq(strlen(buf), 255);
	cr_assert(kb_name_parse_folder(buf, &f));
	cr_assert_eq(f.kind, KB_FOLDER_DELETE);
	cr_assert(kb_name_topic_ok(topic));
	cr_assert_not(kb_name_topic_ok(".."));
	cr_assert_not(kb_name_topic_ok("a/b"));
	cr_assert_not(kb_name_topic_ok(""));
}

/*
 * Goal: a checkpoint that is not whole is corrupt, never half read.
 */
Test(log_files, checkpoints_that_are_wrong)
{
	static const char *const bad[] = { "1\n0\n", "x\n", "0\n", "0\nx\n",
		"0\n-1\n", "0\n1\n", "0\n0\nt 0 1\n", "0\n1\nt 0\n",
		"0\n1\nt 0 x\n", "0\n1\nt x 1\n", "0\n1\nt 0 1 2\n",
		"0\n1\nt -1 1\n", "0\n2\nt 0 1\n" };
	struct kb_offsets o = { 0 };
	size_t i;

	for (i = 0; i < KC_COUNT(bad); i++) {
		kt_spit(&w, "c", bad[i], strlen(bad[i]));
		cr_expect_eq(kb_offsets_load(&o, w.env.file, w.host.dirfd, "c"),
		    KC_ECORRUPT, "%s", bad[i]);
		kb_offsets_fini(&o);
	}
	cr_assert_eq(
	    kb_offsets_load(&o, w.env.file, w.host.dirfd, "none"), KC_ENOENT);
}

Test(log_files, checkpoint_round_trip)
{
	struct kb_offsets o = { 0 }, back = { 0 };
	int64_t v = 0;
	size_t len;
	char *p;

	kt_spit(&w, "c", "", 0);
	cr_assert_eq(
	    kb_offsets_load(&back, w.env.file, w.host.dirfd, "c"), KC_OK);
	cr_assert_eq(back.n, 0);
	cr_assert_eq(kb_offsets_add(&o, "t", 10, 7), KC_OK);
	cr_assert_eq(kb_offsets_add(&o, "t", 2, INT64_MAX), KC_OK);
	cr_assert_eq(kb_offsets_add(&o, "a", 0, 0), KC_OK);
	cr_assert_eq(kb_offsets_text(&o, &p, &len), KC_OK);
	cr_assert_str_eq(p, "0\n3\nt 10 7\nt 2 9223372036854775807\na 0 0\n");
	kt_spit(&w, "c", p, len);
	cr_assert_eq(
	    kb_offsets_load(&back, w.env.file, w.host.dirfd, "c"), KC_OK);
	cr_assert(kb_offsets_find(&back, "t", 10, &v));
	cr_assert_eq(v, 7);
	cr_assert(kb_offsets_find(&back, "t", 2, &v));
	cr_assert_eq(v, INT64_MAX);
	cr_assert_not(kb_offsets_find(&back, "t", 3, &v));
	free(p);
	kb_offsets_fini(&o);
	kb_offsets_fini(&back);
}

Test(log_files, partition_metadata)
{
	static const char *const bad[] = { "", "version: 1\ntopic_id: x",
		"version: 0\n", "version: 0\ntopic_id: ",
		"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
		"version: 0\ntopic_id: JMVQ2CYMRiyWyyI3mD-dB",
		"topic_id: JMVQ2CYMRiyWyyI3mD-dBQ\nversion: 0" };
	static const char good[] =
	    "version: 0\ntopic_id: JMVQ2CYMRiyWyyI3mD-dBQ";
	char text[KB_PARTITION_METADATA_TEXT];
	struct kc_uuid id;
	size_t i;

	for (i = 0; i < KC_COUNT(bad); i++)
		cr_expect_eq(kb_partition_metadata_parse(kc_str(bad[i]), &id),
		    KC_ECORRUPT, "%s", bad[i]);
	/* Byte for byte what a broker wrote. */
	cr_assert_eq(kb_partition_metadata_parse(kc_str(good), &id), KC_OK);
	cr_assert_eq(kb_partition_metadata_text(&id, text), 43);
	cr_assert_str_eq(text, good);
}

Test(log_files, meta_properties)
{
	static const char *const bad[] = { "version=1\nbroker.id=0\n",
		"version=0\nbroker.id=x\n", "version=0\nbroker.id=-1\n",
		"broker.id=\\u00\n" };
	struct kb_log_identity id, one = { 3, "abc" };
	char err[256];
	size_t i, len;
	uint8_t *p;

	for (i = 0; i < KC_COUNT(bad); i++) {
		kt_spit(&w, KB_META_FILE, bad[i], strlen(bad[i]));
		cr_expect_eq(kb_meta_properties_read(w.env.file, w.host.dirfd,
				 &id, err, sizeof err),
		    KC_ECORRUPT, "%s", bad[i]);
	}
	cr_assert_eq(kb_meta_properties_write(
			 w.env.file, w.host.dirfd, &one, 1795489147000),
	    KC_OK);
	p = kt_slurp(&w, KB_META_FILE, &len);
	cr_assert_str_eq((char *)p,
	    "#\n#Tue Nov 24 02:59:07 UTC 2026\nbroker.id=3\nversion=0\n"
	    "cluster.id=abc\n");
	free(p);
	cr_assert_eq(kb_meta_properties_read(
			 w.env.file, w.host.dirfd, &id, err, sizeof err),
	    KC_OK);
	cr_assert_eq(id.broker_id, 3);
	cr_assert_str_eq(id.cluster_id, "abc");
	one.broker_id = 4;
	cr_assert_eq(
	    kb_meta_properties_agree(&id, &one, err, sizeof err), KC_ECORRUPT);
}

Test(log_files, epochs_file)
{
	static const char *const bad[] = { "0\n1\n0\n", "0\n1\n-1 0\n",
		"0\n1\n0 -1\n", "0\n1\n4294967296 0\n" };
	struct kb_epochs ep;
	size_t i, len;
	char *p;

	cr_assert_eq(w.env.file->mkdir(w.host.dirfd, "t-0"), KC_OK);
	for (i = 0; i < KC_COUNT(bad); i++) {
		kb_epochs_init(&ep);
		kt_spit(&w, "t-0/" KB_EPOCHS_FILE, bad[i], strlen(bad[i]));
		cr_expect_eq(
		    kb_epochs_load(&ep, w.env.file, w.host.dirfd, "t-0"),
		    KC_ECORRUPT, "%s", bad[i]);
		kb_epochs_fini(&ep);
	}
	kb_epochs_init(&ep);
	kt_spit(&w, "t-0/" KB_EPOCHS_FILE, "0\n2\n0 0\n5 10\n", 13);
	cr_assert_eq(
	    kb_epochs_load(&ep, w.env.file, w.host.dirfd, "t-0"), KC_OK);
	cr_assert_not(ep.dirty);
	cr_assert_eq(kb_epochs_text(&ep, &p, &len), KC_OK);
	cr_assert_str_eq(p, "0\n2\n0 0\n5 10\n");
	free(p);
	kb_epochs_fini(&ep);
}

/*
 * Goal: an index that does not fit its log is found out, whatever is wrong.
 */
Test(log_files, index_that_does_not_fit)
{
	uint8_t p[24] = { 0 };
	struct kb_index ix;

	kb_put32(p, 3);
	kb_put32(p + 4, 100);
	kb_index_init(&ix, w.env.file);
	cr_assert_eq(kb_index_open(&ix, w.host.dirfd, "i", 1000), KC_ENOENT);
	kt_spit(&w, "i", p, 7); /* not whole entries */
	cr_assert_eq(kb_index_open(&ix, w.host.dirfd, "i", 1000), KC_ECORRUPT);
	kt_spit(&w, "i", p, 16); /* a tail of zeros */
	cr_assert_eq(kb_index_open(&ix, w.host.dirfd, "i", 1000), KC_ECORRUPT);
	kt_spit(&w, "i", p, 8); /* beyond the log */
	cr_assert_eq(kb_index_open(&ix, w.host.dirfd, "i", 100), KC_ECORRUPT);
	cr_assert_eq(kb_index_open(&ix, w.host.dirfd, "i", 101), KC_OK);
	cr_assert_eq(ix.last_rel, 3);
	kb_entries_close(&ix.e);
	/* Whatever it was, a rebuild starts from nothing. */
	kt_spit(&w, "i", p, 7);
	cr_assert_eq(kb_index_create(&ix, w.host.dirfd, "i"), KC_OK);
	cr_assert_eq(ix.e.n, 0);
	kb_entries_close(&ix.e);
}

/* Every lookup in indexes of many sizes agrees with a plain search. */
Test(log_files, index_lookup)
{
	static const int sizes[] = { 0, 1, 2, 511, 512, 513, 1024, 3000 };
	struct kb_index ix;
	int32_t pos, want;
	size_t s;
	int i, k;

	for (s = 0; s < KC_COUNT(sizes); s++) {
		kb_index_init(&ix, w.env.file);
		cr_assert_eq(kb_index_create(&ix, w.host.dirfd, "i"), KC_OK);
		for (i = 1; i <= sizes[s]; i++) {
			cr_assert_eq(kb_entries_reserve(&ix.e), KC_OK);
			cr_assert_eq(kb_index_put(&ix, i * 10, i * 7), KC_OK);
		}
		for (k = -1; k < sizes[s] * 10 + 20; k += 3) {
			want = k < 10 ? 0 : KC_MIN(k / 10, sizes[s]) * 7;
			cr_assert_eq(
			    kb_index_find(&ix, ix.e.n, k, &pos), KC_OK);
			cr_assert_eq(pos, want, "%d of %d", k, sizes[s]);
			want = k < 7 ? 0 : KC_MIN(k / 7, sizes[s]) * 7;
			cr_assert_eq(
			    kb_index_find_pos(&ix, ix.e.n, k, &pos), KC_OK);
			cr_assert_eq(pos, want);
		}
		cr_assert_eq(kb_index_truncate(&ix, 10 * sizes[s] / 2), KC_OK);
		if (sizes[s] > 0)
			cr_assert_lt(ix.last_rel, 10 * sizes[s] / 2);
		kb_entries_close(&ix.e);
		cr_assert_eq(w.env.file->unlink(w.host.dirfd, "i"), KC_OK);
	}
}

Test(log_files, time_index)
{
	struct kb_time_index tx;
	uint8_t p[24] = { 0 };
	int32_t rel;

	kb_time_index_init(&tx, w.env.file);
	kb_put64(p, 1000);
	kt_spit(&w, "t", p, 24); /* 1000, then zeros */
	cr_assert_eq(kb_time_index_open(&tx, w.host.dirfd, "t"), KC_ECORRUPT);
	kt_spit(&w, "t", p, 13);
	cr_assert_eq(kb_time_index_open(&tx, w.host.dirfd, "t"), KC_ECORRUPT);
	cr_assert_eq(kb_time_index_create(&tx, w.host.dirfd, "t"), KC_OK);
	cr_assert_eq(kb_entries_reserve(&tx.e), KC_OK);
	cr_assert_eq(kb_time_index_put(&tx, 100, 5), KC_OK);
	cr_assert_eq(kb_time_index_put(&tx, 100, 6), KC_OK); /* no-op */
	cr_assert_eq(kb_time_index_put(&tx, 200, 9), KC_OK);
	cr_assert_eq(tx.e.n, 2);
	cr_assert_eq(kb_time_index_find(&tx, 2, 100, &rel), KC_OK);
	cr_assert_eq(rel, 0);
	cr_assert_eq(kb_time_index_find(&tx, 2, 101, &rel), KC_OK);
	cr_assert_eq(rel, 5);
	cr_assert_eq(kb_time_index_find(&tx, 2, 999, &rel), KC_OK);
	cr_assert_eq(rel, 9);
	cr_assert_eq(kb_time_index_truncate(&tx, 9), KC_OK);
	cr_assert_eq(tx.last_ts, 100);
	kb_entries_close(&tx.e);
}

Test(log_files, txn_index_bytes)
{
	struct kb_aborted_txn a = { 7, 100, 150, 151 }, b;
	struct kb_txn_index tx;
	size_t len;
	uint8_t *p;

	kb_txn_index_init(&tx, w.env.file);
	cr_assert_eq(kb_txn_index_open(&tx, w.host.dirfd, "x", 100), KC_ENOENT);
	cr_assert_eq(kb_txn_index_create(&tx, w.host.dirfd, "x"), KC_OK);
	cr_assert_eq(kb_txn_index_put(&tx, &a), KC_OK);
	kb_entries_close(&tx.e);
	p = kt_slurp(&w, "x", &len);
	cr_assert_eq(len, 34);
	cr_assert_eq(kb_get16(p), 0);
	cr_assert_eq(kb_get64(p + 2), 7);
	cr_assert_eq(kb_get64(p + 10), 100);
	cr_assert_eq(kb_get64(p + 18), 150);
	cr_assert_eq(kb_get64(p + 26), 151);
	tx.exists = false;
	cr_assert_eq(
	    kb_txn_index_open(&tx, w.host.dirfd, "x", 151), KC_ECORRUPT);
	p[1] = 1; /* version */
	kt_spit(&w, "x", p, len);
	cr_assert_eq(
	    kb_txn_index_open(&tx, w.host.dirfd, "x", 100), KC_ECORRUPT);
	p[1] = 0;
	kt_spit(&w, "x", p, len);
	cr_assert_eq(kb_txn_index_open(&tx, w.host.dirfd, "x", 100), KC_OK);
	cr_assert_eq(kb_txn_index_get(&tx, 0, &b), KC_OK);
	cr_assert_eq(b.lso, 151);
	cr_assert_eq(kb_txn_index_truncate(&tx, 150), KC_OK);
	cr_assert_eq(tx.e.n, 0);
	kb_entries_close(&tx.e);
	free(p);
}
