/*
 * The controller's picture of the cluster: lookups, assignments taken over,
 * and what "online" means.
 */
#include "kbroker/controller/model.h"
#include "kcommon/base/err.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static int32_t one[] = { 1 }, two_one[] = { 2, 1 }, three[] = { 1, 2, 3 };

static struct kb_cbroker *
add_broker(struct kb_model *m, int32_t id)
{
	struct kzk_broker info;
	static const char text[] =
	    "{\"version\":4,\"listener_security_protocol_map\":"
	    "{\"PLAINTEXT\":\"PLAINTEXT\"},\"host\":\"h\",\"port\":9092,\"jmx_"
	    "port\":-1,"
	    "\"timestamp\":\"1\",\"endpoints\":[\"PLAINTEXT://h:9092\"],"
	    "\"rack\":\"r\"}";

	cr_assert_eq(kzk_broker_decode(KC_STR_LIT(text), &info), KC_OK);
	return kb_model_add_broker(m, id, 40 + id, &info);
}

static struct kzk_assignment
part(int32_t index, int32_t *ids, int32_t n)
{
	return (struct kzk_assignment){ .partition = index,
		.replicas = { ids, n } };
}

static int32_t
assign(struct kb_ctopic *t, struct kzk_assignment *v, int32_t n)
{
	struct kzk_topic z = { .parts = v, .nparts = n };
	int32_t added = -1;

	cr_assert_eq(kb_model_assign(t, &z, &added), KC_OK);
	return added;
}

Test(kb_model, nothing_is_known)
{
	struct kb_model m = { 0 };
	struct kb_cpart p = { 0 };

	cr_assert_null(kb_model_broker(&m, 0));
	cr_assert_null(kb_model_topic(&m, ""));
	cr_assert_null(kb_model_replica(&p, -1));
	cr_assert_not(kb_model_replica_online(&m, &p, 1));
	kb_model_fini(&m);
}

Test(kb_model, a_broker_takes_its_info_over)
{
	struct kb_model m = { 0 };
	struct kb_cbroker *b = add_broker(&m, 3);

	cr_assert_eq(kb_model_broker(&m, 3), b);
	cr_assert_eq(b->epoch, 43);
	cr_assert(kc_str_eqz(b->info.rack, "r"));
	kb_model_remove_broker(&m, b);
	cr_assert_null(kb_model_broker(&m, 3));
	add_broker(&m, 4);
	kb_model_fini(&m); /* the rest */
}

Test(kb_model, partitions_stand_in_rising_index)
{
	struct kb_model m = { 0 };
	struct kb_ctopic *t = kb_model_add_topic(&m, "t");
	struct kzk_assignment v[] = { part(7, one, 1), part(0, one, 1),
		part(3, two_one, 2) };

	cr_assert_eq(kb_model_topic(&m, "t"), t);
	cr_assert_null(kb_model_part(t, 0));
	cr_assert_eq(assign(t, v, 3), 3);
	cr_assert_eq(t->nparts, 3);
	for (int i = 1; i < 3; i++)
		cr_assert_lt(t->parts[i - 1].index, t->parts[i].index);
	cr_assert_null(kb_model_part(t, 1));
	cr_assert_null(kb_model_part(t, -1));
	cr_assert_null(kb_model_part(t, 8));
	cr_assert_eq(kb_model_part(t, 3)->nreplicas, 2);
	cr_assert_eq(kb_model_part(t, 3)->topic, t);
	cr_assert_eq(kb_model_part(t, 7)->state, KB_PART_NONEXISTENT);
	kb_model_fini(&m);
}

/* What stays keeps its state; what is new begins; the order is the znode's. */
Test(kb_model, an_assignment_changes)
{
	struct kb_model m = { 0 };
	struct kb_ctopic *t = kb_model_add_topic(&m, "t");
	struct kzk_assignment v[] = { part(0, two_one, 2) };
	struct kb_cpart *p;

	assign(t, v, 1);
	p = kb_model_part(t, 0);
	p->state = KB_PART_ONLINE;
	kb_model_replica(p, 1)->state = KB_REPLICA_ONLINE;
	kb_model_replica(p, 2)->dir_offline = true;
	v[0] = part(0, three, 3);
	v[0].adding = (struct kzk_ids){ three + 2, 1 };
	v[0].removing = (struct kzk_ids){ two_one, 1 };
	cr_assert_eq(assign(t, v, 1), 0);
	p = kb_model_part(t, 0);
	cr_assert_eq(p->state, KB_PART_ONLINE);
	cr_assert_eq(p->nreplicas, 3);
	cr_assert_eq(p->replicas[0].broker, 1);
	cr_assert_eq(p->replicas[0].state, KB_REPLICA_ONLINE);
	cr_assert(p->replicas[1].dir_offline);
	cr_assert_eq(p->replicas[2].state, KB_REPLICA_NONEXISTENT);
	cr_assert(kb_ids_has(&p->adding, 3));
	cr_assert(kb_ids_has(&p->removing, 2));
	v[0] = part(0, one, 1); /* complete */
	assign(t, v, 1);
	cr_assert_eq(p->nreplicas, 1);
	cr_assert_eq(p->adding.n, 0);
	cr_assert_eq(p->removing.n, 0);
	kb_model_fini(&m);
}

Test(kb_model, a_topic_keeps_its_id)
{
	struct kb_model m = { 0 };
	struct kb_ctopic *t = kb_model_add_topic(&m, "t");
	struct kzk_topic z = { 0 };
	struct kc_uuid id;

	memset(z.topic_id.b, 5, sizeof z.topic_id.b);
	id = z.topic_id;
	cr_assert_eq(kb_model_assign(t, &z, NULL), KC_OK);
	z = (struct kzk_topic){ 0 }; /* an old tool wrote it without */
	cr_assert_eq(kb_model_assign(t, &z, NULL), KC_OK);
	cr_assert(kc_uuid_eq(&t->id, &id));
	kb_model_fini(&m);
}

Test(kb_model, online)
{
	struct kb_model m = { 0 };
	struct kb_ctopic *t = kb_model_add_topic(&m, "t");
	struct kzk_assignment v[] = { part(0, two_one, 2) };
	struct kb_cbroker *b;
	struct kb_cpart *p;

	assign(t, v, 1);
	p = kb_model_part(t, 0);
	cr_assert_not(kb_model_replica_online(&m, p, 1), "no such broker");
	b = add_broker(&m, 1);
	cr_assert(kb_model_replica_online(&m, p, 1));
	kb_model_replica(p, 1)->dir_offline = true;
	cr_assert_not(kb_model_replica_online(&m, p, 1));
	kb_model_replica(p, 1)->dir_offline = false;
	b->shutting_down = true;
	cr_assert_not(kb_model_replica_online(&m, p, 1));
	kb_model_fini(&m);
}

Test(kb_model, leadership_is_copied)
{
	struct kb_model m = { 0 };
	struct kb_ctopic *t = kb_model_add_topic(&m, "t");
	struct kzk_assignment v[] = { part(0, two_one, 2) };
	int32_t isr[] = { 2, 1 };
	struct kzk_partition_state z = { .leader = 2,
		.leader_epoch = 5,
		.controller_epoch = 3,
		.leader_recovery_state = 1,
		.isr = { isr, 2 } };
	struct kb_cpart *p;

	assign(t, v, 1);
	p = kb_model_part(t, 0);
	cr_assert_not(p->led);
	cr_assert_eq(kb_model_set_leadership(p, &z, 9), KC_OK);
	isr[0] = isr[1] = -5;
	cr_assert(p->led);
	cr_assert_eq(p->ls.leader, 2);
	cr_assert_eq(p->ls.leader_epoch, 5);
	cr_assert_eq(p->ls.controller_epoch, 3);
	cr_assert_eq(p->ls.version, 9);
	cr_assert_eq(p->ls.recovery, 1);
	cr_assert(kb_ids_has(&p->ls.isr, 1) && kb_ids_has(&p->ls.isr, 2));
	z.isr.n = 0;
	cr_assert_eq(kb_model_set_leadership(p, &z, 10), KC_OK);
	cr_assert_eq(p->ls.isr.n, 0);
	kb_model_fini(&m);
}

Test(kb_ids, set_and_remove)
{
	struct kb_ids ids = { 0 };

	cr_assert_not(kb_ids_has(&ids, 1));
	kb_ids_remove(&ids, 1);
	cr_assert_eq(kb_ids_set(&ids, three, 3), KC_OK);
	cr_assert_eq(kb_ids_set(&ids, ids.v, 2), KC_OK, "from itself");
	kb_ids_remove(&ids, 1);
	cr_assert_eq(ids.n, 1);
	cr_assert_eq(ids.v[0], 2);
	kb_ids_fini(&ids);
	cr_assert_null(ids.v);
	cr_assert_eq(ids.n, 0);
}

Test(kb_model, topics_by_id_and_by_text)
{
	struct kb_model m = { 0 };
	struct kc_uuid first = { { 1 } }, second = { { 2 } };
	struct kb_ctopic *a = kb_model_add_topic(&m, "a");
	struct kb_ctopic *b = kb_model_add_topic(&m, "b");

	cr_assert_null(kb_model_topic_by_id(&m, &KC_UUID_ZERO));
	kb_model_set_id(a, &first);
	kb_model_set_id(b, &first); /* never so, but it must not break */
	kb_model_set_id(b, &second);
	cr_assert_eq(kb_model_topic_by_id(&m, &first), a);
	cr_assert_eq(kb_model_topic_by_id(&m, &second), b);
	cr_assert_eq(kb_model_topic_str(&m, KC_STR_LIT("a")), a);
	cr_assert_null(kb_model_topic_str(&m, (struct kc_str){ "a\0x", 3 }));
	cr_assert_null(kb_model_topic_str(&m, KC_STR_NULL));
	kb_model_remove_topic(&m, a);
	cr_assert_null(kb_model_topic_by_id(&m, &first));
	kb_model_fini(&m);
	cr_assert_null(m.by_id);
}
