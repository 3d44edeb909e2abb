/* A group to and from its record, and what its members' metadata says. */
#include "kbroker/group/group.h"
#include "kbroker/group/member.h"
#include "kbroker/group/records.h"
#include "kcommon/base/err.h"
#include "kcommon/buf/rd.h"

#include <stdlib.h>

/* --- to and from the record ----------------------------------------------- */

static int
restore_member(struct kb_group *grp, const struct kb_group_value *v,
    const struct kb_group_value_member *vm, struct kb_now now)
{
	struct kb_member_protocol protocol = { v->protocol, vm->subscription };
	struct kb_member *m;

	if (kb_member_find(grp, vm->member_id) != NULL ||
	    kb_member_static(grp, vm->instance_id) != NULL)
		return KC_OK; /* named twice: the first one stays */
	m = kb_member_add(grp, vm->member_id, vm->instance_id, vm->client_id,
	    vm->client_host);
	if (m == NULL)
		return KC_ENOMEM;
	if (kb_str_set(&m->assignment, vm->assignment) != KC_OK ||
	    kb_protocols_copy(&m->protocols, &protocol, 1) != KC_OK)
		return KC_ENOMEM;
	m->nprotocols = 1;
	m->session_ms = vm->session_ms;
	m->rebalance_ms = vm->rebalance_ms;
	m->synced = true;
	m->session_due_ms = now.mono_ms + m->session_ms;
	grp->due_ms = KC_MIN(grp->due_ms, m->session_due_ms);
	return KC_OK;
}

int
kb_group_restore(
    struct kb_group *grp, const struct kb_group_value *v, struct kb_now now)
{
	int rc = KC_OK;

	grp->generation = v->generation;
	grp->state_since_ms = v->state_since_ms;
	grp->state = v->nmembers > 0 ? KB_GROUP_STABLE : KB_GROUP_EMPTY;
	if (v->protocol_type.len > 0)
		rc = kb_str_set(&grp->protocol_type, v->protocol_type);
	if (rc == KC_OK)
		rc = kb_str_set(&grp->protocol_name, v->protocol);
	if (rc == KC_OK)
		rc = kb_str_set(&grp->leader, v->leader);
	for (int32_t i = 0; rc == KC_OK && i < v->nmembers; i++)
		rc = restore_member(grp, v, &v->members[i], now);
	return rc;
}

int
kb_group_snapshot(
    const struct kb_group *grp, struct kc_arena *a, struct kb_group_value *v)
{
	size_t n = HASH_COUNT(grp->members);
	struct kb_group_value_member *vm;

	*v = (struct kb_group_value){
		.protocol_type = grp->protocol_type.len < 0 ?
		    KC_STR_LIT("") :
		    grp->protocol_type,
		.generation = grp->generation,
		.protocol = grp->protocol_name,
		.leader = grp->leader,
		.state_since_ms = grp->state_since_ms,
		.nmembers = (int32_t)n,
	};
	if ((v->members = kc_arena_array(a, n, sizeof *v->members)) == NULL)
		return KC_ELIMIT;
	vm = v->members;
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next)
		*vm++ = (struct kb_group_value_member){
			.member_id = m->id,
			.instance_id = m->instance_id,
			.client_id = m->client_id,
			.client_host = m->client_host,
			.rebalance_ms = m->rebalance_ms,
			.session_ms = m->session_ms,
			.subscription =
			    kb_member_metadata(m, grp->protocol_name),
			.assignment = m->assignment,
		};
	return KC_OK;
}

/* --- subscriptions -------------------------------------------------------- */

/*
 * ConsumerProtocol: int16 version, array of topic names, and more that later
 * versions append.  False when it is not that.
 */
static bool
names_topic(struct kc_str metadata, struct kc_str topic, bool *named)
{
	struct kc_rd r;
	int32_t n;

	kc_rd_init(&r, metadata.p, (size_t)KC_MAX(metadata.len, 0));
	if (kc_rd_i16(&r) < 0)
		return false;
	n = kc_rd_i32(&r);
	while (n-- > 0 && r.err == KC_OK) {
		struct kc_str name = kc_rd_str(&r);

		if (r.err == KC_OK && kc_str_eq(name, topic))
			*named = true;
	}
	return r.err == KC_OK;
}

bool
kb_group_is_consumer(const struct kb_group *grp)
{
	return kc_str_eqz(grp->protocol_type, KB_CONSUMER_PROTOCOL);
}

bool
kb_group_subscribed(
    const struct kb_group *grp, struct kc_str topic, bool *known)
{
	bool named = false;

	*known = kb_group_is_consumer(grp) &&
	    (grp->members == NULL || grp->protocol_name.len >= 0);
	for (struct kb_member *m = grp->members; *known && m != NULL;
	     m = m->hh.next)
		*known = names_topic(
		    kb_member_metadata(m, grp->protocol_name), topic, &named);
	return !*known || named;
}

bool
kb_group_offset_expired(const struct kb_group *grp, struct kc_str topic,
    const struct kb_offset *off, int64_t wall_ms, int64_t retention_ms)
{
	int64_t base = off->value.commit_ms;
	bool known;

	if (!off->has || off->npending > 0)
		return false;
	if (grp->protocol_type.len < 0) {
		/* Used to store offsets only. */
	} else if (grp->state == KB_GROUP_EMPTY) {
		if (grp->state_since_ms >= 0)
			base = grp->state_since_ms;
	} else if (grp->state == KB_GROUP_STABLE && kb_group_is_consumer(grp)) {
		if (kb_group_subscribed(grp, topic, &known))
			return false;
	} else {
		return false;
	}
	if (off->value.expire_ms >= 0)
		return wall_ms >= off->value.expire_ms;
	return wall_ms - base >= retention_ms;
}
