/* queue.c: which queued run comes next: two lanes, first come first served in each. */
#include "executor/hub.h"

#include "base/clock.h"
#include "executor/recycle.h"

bool azr_exec__is_recycled(const azr_executor *executor, azr_exec__flavour flavour)
{
    return executor->recycle != NULL && flavour < AZR_EXEC__N_FLAVOURS;
}

int azr_exec__try_cpu_ms(const azr_exec__try *what)
{
    /* Most programs take a millisecond. A slice is lost when it is not enough, so it is a small
     * part of the limit; and where limits are small there is nothing to gain. */
    enum { SLICE_MS = 20, SLICE_SHARE = 50, WORTH = 4 };
    int cpu_ms = what->job->limits.cpu_ms;
    int slice_ms = cpu_ms / SLICE_SHARE > SLICE_MS ? cpu_ms / SLICE_SHARE : SLICE_MS;
    return what->is_slow || cpu_ms < WORTH * slice_ms ? cpu_ms : slice_ms;
}

static azr_exec__slow_runs *slow_runs_of(azr_executor *executor, azr_exec__flavour flavour)
{
    return &executor->slow[azr_exec__is_recycled(executor, flavour)];
}

void azr_exec__hub_queue(azr_executor *executor, azr_exec__try *what, bool in_front)
{
    azr_exec__queue *queue = &executor->queues[what->is_slow ? AZR_EXEC__SLOW : AZR_EXEC__FAST];
    if (executor->servers[what->flavour].state == AZR_EXEC__SERVER_IDLE)
        executor->servers[what->flavour].state = AZR_EXEC__SERVER_STARTING;
    if (executor->recycle != NULL)
        azr_exec__recycle_wake(executor);
    what->next = in_front ? queue->first : NULL;
    if (queue->first == NULL)
        queue->first = queue->last = what;
    else if (in_front)
        queue->first = what;
    else
        queue->last = queue->last->next = what;
}

static azr_exec__try *take(azr_executor *executor, azr_exec__lane lane, azr_exec__serves *serves,
                           void *argument)
{
    azr_exec__queue *queue = &executor->queues[lane];
    azr_exec__try *before = NULL, *what = queue->first;
    while (what != NULL && !serves(executor, what, argument)) {
        before = what;
        what = what->next;
    }
    if (what == NULL)
        return NULL;
    if (before != NULL)
        before->next = what->next;
    else
        queue->first = what->next;
    if (queue->last == what)
        queue->last = before;
    return what;
}

typedef struct slow_question {
    azr_exec__serves *serves;
    void *argument;
    double now;
    bool in_turn;
} slow_question;

/* At most half of the workers run slow tries: others may come at any time. in_turn: and a quarter
 * of the time is theirs also while others wait. */
static bool serves_slow(azr_executor *executor, const azr_exec__try *what, void *argument)
{
    enum { WAIT_SHARE = 3 };
    const slow_question *question = argument;
    const azr_exec__slow_runs *slow = slow_runs_of(executor, what->flavour);
    int most = executor->n_workers > 1 ? executor->n_workers / 2 : 1;
    return slow->n < most &&
           (!question->in_turn || question->now >= slow->ended + WAIT_SHARE * slow->seconds) &&
           question->serves(executor, what, question->argument);
}

static azr_exec__try *take_slow(azr_executor *executor, azr_exec__serves *serves, void *argument,
                                bool in_turn)
{
    if (executor->queues[AZR_EXEC__SLOW].first == NULL)
        return NULL;
    slow_question question = {serves, argument, azr_clock_seconds(), in_turn};
    azr_exec__try *what = take(executor, AZR_EXEC__SLOW, serves_slow, &question);
    if (what != NULL) {
        slow_runs_of(executor, what->flavour)->n++;
        what->taken_at = question.now;
    }
    return what;
}

azr_exec__try *azr_exec__hub_take(azr_executor *executor, azr_exec__serves *serves, void *argument)
{
    azr_exec__try *what = take_slow(executor, serves, argument, true);
    if (what == NULL)
        what = take(executor, AZR_EXEC__FAST, serves, argument);
    return what != NULL ? what : take_slow(executor, serves, argument, false);
}

/* For the same process: nothing of it has run yet. */
static bool is_fresh(azr_executor *executor, const azr_exec__try *what, void *job)
{
    (void)executor;
    return what->job == job && what->n_tries == 0;
}

azr_exec__try *azr_exec__hub_take_fresh(azr_executor *executor, azr_exec__job *job)
{
    return take(executor, AZR_EXEC__FAST, is_fresh, job);
}

void azr_exec__hub_left_lane(azr_executor *executor, const azr_exec__try *what)
{
    azr_exec__slow_runs *slow = slow_runs_of(executor, what->flavour);
    if (!what->is_slow)
        return;
    slow->n--;
    slow->ended = azr_clock_seconds();
    slow->seconds = slow->ended - what->taken_at;
    /* Another supervisor may serve what waits in that lane. */
    if (executor->recycle != NULL && executor->queues[AZR_EXEC__SLOW].first != NULL)
        azr_exec__recycle_wake(executor);
}

void azr_exec__hub_untake(azr_executor *executor, azr_exec__try *what)
{
    azr_exec__hub_left_lane(executor, what);
    azr_exec__hub_queue(executor, what, true);
}
