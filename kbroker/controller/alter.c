#include "kbroker/controller/alter.h"

#include "kcommon/proto/error.h"

#define RECOVERED 0
#define RECOVERING 1

static bool
has(const struct kb_alter *ask, int32_t broker)
{
	for (int32_t i = 0; i < ask->nisr; i++)
		if (ask->isr[i].broker == broker)
			return true;
	return false;
}

/* A set of assigned replicas, the leader one of them. */
static bool
well_formed(const struct kb_alter *ask)
{
	for (int32_t i = 0; i < ask->nisr; i++) {
		if (!ask->isr[i].assigned)
			return false;
		for (int32_t j = 0; j < i; j++)
			if (ask->isr[j].broker == ask->isr[i].broker)
				return false;
	}
	return has(ask, ask->leader);
}

static bool
same_as(const struct kb_alter *ask, const struct kb_leadership *now)
{
	if (ask->leader != now->leader || ask->recovery != now->recovery ||
	    ask->nisr != now->isr.n)
		return false;
	for (int32_t i = 0; i < now->isr.n; i++)
		if (!has(ask, now->isr.v[i]))
			return false;
	return true;
}

int16_t
kb_alter_check(
    const struct kb_alter *ask, const struct kb_leadership *now, bool *same)
{
	*same = false;
	/* It knows more than we do: we are a controller of the past. */
	if (ask->partition_epoch > now->version ||
	    ask->leader_epoch > now->leader_epoch)
		return KP_NOT_CONTROLLER;
	if (ask->leader_epoch < now->leader_epoch)
		return KP_FENCED_LEADER_EPOCH;
	if (!well_formed(ask) || ask->leader != now->leader)
		return KP_INVALID_REQUEST;
	/* Before the partition epoch: a repeated request has an old one. */
	if (same_as(ask, now)) {
		*same = true;
		return KP_NONE;
	}
	if (ask->partition_epoch < now->version)
		return KP_INVALID_UPDATE_VERSION;
	if (ask->recovery == RECOVERING &&
	    (ask->nisr > 1 || now->recovery == RECOVERED))
		return KP_INVALID_REQUEST;
	for (int32_t i = 0; i < ask->nisr; i++)
		if (!ask->isr[i].eligible)
			return KP_INELIGIBLE_REPLICA;
	return KP_NONE;
}
