/*
 * Replica assignment: the results that Kafka documents, and what must hold
 * of any result.
 */
#include "kbroker/controller/assign.h"
#include "kcommon/base/err.h"
#include "kcommon/base/rand.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define BROKERS_MAX 12

static void
make_brokers(struct kb_assign_broker *b, int n)
{
	for (int i = 0; i < n; i++)
		b[i] = (struct kb_assign_broker){ .id = i };
}

/* Exactly as many as asked for: ASan sees one more. */
static int32_t *
assign(const struct kb_assign *a)
{
	size_t n = (size_t)a->npartitions * (size_t)a->replication;
	int32_t *out = malloc(n * sizeof *out);

	cr_assert_eq(kb_assign_replicas(a, out), KC_OK);
	return out;
}

static void
expect_rows(const struct kb_assign *a, const int32_t *want)
{
	int32_t *out = assign(a);
	int n = a->npartitions * a->replication;

	for (int i = 0; i < n; i++)
		cr_expect_eq(out[i], want[i], "partition %d replica %d: %d",
		    i / a->replication, i % a->replication, out[i]);
	free(out);
}

/* --- what is refused ----------------------------------------------------- */

Test(kb_assign, replication_out_of_range)
{
	struct kb_assign_broker b[2];
	struct kb_assign a = { .brokers = b, .nbrokers = 2, .npartitions = 1 };
	int32_t out[4];
	static const int32_t bad[] = { INT32_MIN, -1, 0, 3, INT32_MAX };

	make_brokers(b, 2);
	for (size_t i = 0; i < KC_COUNT(bad); i++) {
		a.replication = bad[i];
		cr_assert_eq(kb_assign_replicas(&a, out), KC_EINVAL);
	}
	a.replication = 1;
	a.nbrokers = 0;
	cr_assert_eq(kb_assign_replicas(&a, out), KC_EINVAL);
}

Test(kb_assign, only_some_have_a_rack)
{
	struct kb_assign_broker b[3];
	struct kb_assign a = {
		.brokers = b, .nbrokers = 3, .npartitions = 1, .replication = 1
	};
	int32_t out[1];

	make_brokers(b, 3);
	b[2].rack = "r";
	cr_assert_eq(kb_assign_replicas(&a, out), KC_EINVAL);
}

Test(kb_assign, no_partition_is_fine)
{
	struct kb_assign_broker b[1];
	struct kb_assign a = { .brokers = b, .nbrokers = 1, .replication = 1 };

	make_brokers(b, 1);
	cr_assert_eq(kb_assign_replicas(&a, NULL), KC_OK);
}

/* --- documented results -------------------------------------------------- */

/* The table in AdminUtils: ten partitions on five brokers. */
Test(kb_assign, ten_partitions_on_five_brokers)
{
	static const int32_t want[] = { 0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 0, 4,
		0, 1, 0, 2, 3, 1, 3, 4, 2, 4, 0, 3, 0, 1, 4, 1, 2 };
	struct kb_assign_broker b[5];
	struct kb_assign a = {
		.brokers = b, .nbrokers = 5, .npartitions = 10, .replication = 3
	};

	make_brokers(b, 5);
	expect_rows(&a, want);
	/* The order they are given in does not matter. */
	for (int i = 0; i < 5; i++)
		b[i].id = 4 - i;
	expect_rows(&a, want);
}

/* Partitions added later go on where the first ones ended. */
Test(kb_assign, partitions_added)
{
	static const int32_t want[] = { 0, 2, 3, 1, 3, 4 };
	struct kb_assign_broker b[5];
	struct kb_assign a = { .brokers = b,
		.nbrokers = 5,
		.npartitions = 2,
		.replication = 3,
		.first_partition = 5 };

	make_brokers(b, 5);
	expect_rows(&a, want);
}

/* KIP-36's example: 0 -> rack1, 1 and 2 -> rack3, 3 and 4 -> rack2, 5 -> rack1
 */
Test(kb_assign, six_brokers_in_three_racks)
{
	static const char *racks[] = { "rack1", "rack3", "rack3", "rack2",
		"rack2", "rack1" };
	static const int32_t want[] = { 0, 3, 1, 3, 1, 5, 1, 5, 4, 5, 4, 2, 4,
		2, 0, 2, 0, 3, 0, 4, 2 };
	struct kb_assign_broker b[6];
	struct kb_assign a = {
		.brokers = b, .nbrokers = 6, .npartitions = 7, .replication = 3
	};

	make_brokers(b, 6);
	for (int i = 0; i < 6; i++)
		b[i].rack = racks[i];
	expect_rows(&a, want);
}

/* --- what always holds --------------------------------------------------- */

static int
rack_number(const struct kb_assign *a, int32_t id)
{
	for (int i = 0; i < a->nbrokers; i++)
		if (a->brokers[i].id == id)
			return a->brokers[i].rack == NULL ?
			    -1 :
			    a->brokers[i].rack[0];
	cr_assert(false, "no such broker %d", id);
	return -1;
}

static void
check_row(const struct kb_assign *a, const int32_t *row, int nracks)
{
	bool seen[256] = { false };
	int racks = 0;

	for (int i = 0; i < a->replication; i++) {
		int rack = rack_number(a, row[i]);

		for (int j = 0; j < i; j++)
			cr_assert_neq(row[i], row[j], "a broker twice");
		if (rack >= 0 && !seen[rack]) {
			seen[rack] = true;
			racks++;
		}
	}
	if (nracks > 0)
		cr_assert_eq(racks, KC_MIN(nracks, a->replication));
}

static void
check_balance(const struct kb_assign *a, const int32_t *out)
{
	int leads[BROKERS_MAX] = { 0 }, holds[BROKERS_MAX] = { 0 };
	int lo = INT32_MAX, hi = 0;

	for (int i = 0; i < a->npartitions; i++) {
		leads[out[i * a->replication] / 7]++;
		for (int j = 0; j < a->replication; j++)
			holds[out[i * a->replication + j] / 7]++;
	}
	for (int i = 0; i < a->nbrokers; i++) {
		lo = KC_MIN(lo, leads[i]);
		hi = KC_MAX(hi, leads[i]);
	}
	cr_assert_leq(hi - lo, 1, "leaders between %d and %d", lo, hi);
	/* Whole rounds without racks: replicas are as even. */
	if (a->brokers[0].rack != NULL || a->npartitions % a->nbrokers != 0 ||
	    a->first_partition % a->nbrokers != 0)
		return;
	for (int i = 0; i < a->nbrokers; i++)
		cr_assert_eq(
		    holds[i], a->npartitions / a->nbrokers * a->replication);
}

Test(kb_assign, holds_for_any_cluster)
{
	static const char *names[] = { "a", "b", "c", "d" };
	struct kc_rand rnd;

	kc_rand_init_seed(&rnd, 36);
	for (int round = 0; round < 3000; round++) {
		struct kb_assign_broker b[BROKERS_MAX];
		int n = 1 + (int)kc_rand_below(&rnd, BROKERS_MAX);
		int nracks =
		    (int)kc_rand_below(&rnd, (uint64_t)KC_MIN(n, 4) + 1);
		struct kb_assign a = { .brokers = b,
			.nbrokers = n,
			.npartitions = (int)kc_rand_below(&rnd, 60),
			.replication =
			    1 + (int)kc_rand_below(&rnd, (uint64_t)n),
			.first_partition = (int)kc_rand_below(&rnd, 40),
			.start = (int)kc_rand_below(&rnd, (uint64_t)n),
			.shift = (int)kc_rand_below(&rnd, (uint64_t)n) };
		int32_t *out;

		for (int i = 0; i < n; i++) {
			b[i].id = i * 7;
			/* The first ones make sure that each rack has one. */
			b[i].rack = nracks == 0 ?
			    NULL :
			    i < nracks ?
			    names[i] :
			    names[kc_rand_below(&rnd, (uint64_t)nracks)];
		}
		out = assign(&a);
		for (int i = 0; i < a.npartitions; i++)
			check_row(&a, out + i * a.replication, nracks);
		check_balance(&a, out);
		free(out);
	}
}
