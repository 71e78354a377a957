/* recycle_supervisor.c: the threads that run jobs in recycled workers. Each supervisor has a core,
 * which its workers share with it: flavour A, and of the others as many as are asked for. It takes
 * queued tries, runs them one at a time, and brings the worker back. One more thread starts
 * workers: the first of a flavour is trained and shows which pages are hot; later ones know. */
#include "executor/recycle.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "executor/literal_node.h"
#include "executor/recycle_training.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    N_FLAVOURS = AZR_EXEC__N_FLAVOURS,
    CHECK_EVERY = 20000, /* runs between comparisons of all pages */
    LEARN_EVERY = 400,   /* runs between looks at what they wrote to */
    FIRST_STARTS = 3,    /* that fail: this machine cannot */
    LATER_STARTS = 30,
};

static const double giving_up_seconds = 30; /* of nothing but failed starts */
static const double pause_seconds = 0.02;   /* after a failed start: times the failures */

typedef struct supervisor {
    azr_executor *executor;
    pthread_t thread;
    int index, core;
    azr_exec__worker *workers[N_FLAVOURS];
    azr_exec__worker *delivered[N_FLAVOURS]; /* by the starter: takes the worker's place */
    bool wanted[N_FLAVOURS];
    pid_t running; /* the outermost process of the worker whose run is in flight, or 0 */
} supervisor;

struct azr_exec__recycle {
    pthread_cond_t work;   /* queued, delivered, wanted, or stop */
    pthread_cond_t starts; /* for the starter */
    pthread_t starter;
    bool has_starter, stop, always_scan;
    int n_supervisors, n_idle;
    supervisor supervisors[AZR_EXEC__MAX_WORKERS];
    azr_exec__hot hot[N_FLAVOURS];
    bool is_trained[N_FLAVOURS];
    azr_exec__worker *spare;                      /* of flavour A */
    int n_failures[N_FLAVOURS];                   /* starts since the last good one */
    double failing_from[N_FLAVOURS];              /* when the first of them failed */
    uint64_t n_restarts, n_checks, n_differences; /* for the probe */
};

/* --- runs ---------------------------------------------------------------------------------------
 */

static bool add_request(azr_exec__worker *w, const azr_exec__try *what)
{
    const azr_exec__job *job = what->job;
    azr_exec__run_header header = azr_exec__request_header(what);
    const char *texts[3] = {job->program, job->function, job->arguments[what->i_input].data};
    return azr_exec__worker_add(w, &header, texts);
}

static void internal(azr_exec_run *run, const char *reason)
{
    *run = (azr_exec_run){.status = AZR_EXEC_INTERNAL,
                          .message = azr_copy_text(reason, strlen(reason))};
}

/* Runs one try without the lock. False: the worker is of no use any more. */
static bool run_try(azr_exec__worker *w, bool always_scan, azr_exec__try *what,
                    azr_exec_run *out_run)
{
    const azr_exec__job *job = what->job;
    azr_exec__ended ended;
    azr_exec__slot slot = {.what = what, .record_fd = -1, .has_begun = true};
    azr_exec__worker_begin(w, azr_exec__try_cpu_ms(what));
    if (!add_request(w, what)) {
        internal(out_run, "the request is larger than a worker's window");
        what->n_tries = AZR_EXEC__MAX_TRIES;
        return true;
    }
    slot.start = azr_clock_seconds();
    azr_exec__ran ran = azr_exec__worker_run(w, job->limits.wall_ms, &ended);
    what->n_tries++;
    if (ran == AZR_EXEC__RAN_BROKEN) {
        internal(out_run, "the worker of the run died");
        return false;
    }
    if (ran == AZR_EXEC__RAN_LATE) {
        slot.killed = true;
        azr_exec__outcome(&slot, SIGKILL, 0, out_run);
        return false;
    }
    if (ended.n_records > 0)
        slot.record = ended.records[0];
    else
        azr_strbuf_append(&slot.record, &(char){AZR_EXEC__STARTED}, 1);
    azr_exec__outcome(&slot, ended.wait_status, ended.cpu_us, out_run);
    azr_strbuf_deinit(&slot.record);
    return azr_exec__worker_restore(w, ended.n_faults, always_scan);
}

/* Tries of one job in one process. *out_done: all of them ended as they would have alone, and runs
 * says how; else nothing is known. */
static bool run_group(azr_exec__worker *w, bool always_scan, azr_exec__try *const *group, size_t n,
                      azr_exec_run *runs, bool *out_done)
{
    const azr_exec__job *job = group[0]->job;
    azr_exec__ended ended;
    *out_done = false;
    azr_exec__worker_begin(w, azr_exec__try_cpu_ms(group[0]));
    for (size_t i = 0; i < n; i++)
        if (!add_request(w, group[i]))
            return true;
    double start = azr_clock_seconds();
    if (azr_exec__worker_run(w, job->limits.wall_ms, &ended) != AZR_EXEC__RAN)
        return false;
    bool done = ended.wait_status == 0 && ended.n_records == n;
    for (size_t i = 0; i < ended.n_records; i++) {
        azr_exec__slot slot = {.what = group[i],
                               .record_fd = -1,
                               .has_begun = true,
                               .start = start,
                               .record = ended.records[i]};
        azr_exec__outcome(&slot, ended.wait_status, ended.cpu_us / (int64_t)n, &runs[i]);
        runs[i].wall_us /= (int64_t)n;
        /* Memory was shared: alone there may be enough. */
        done = done && runs[i].status != AZR_EXEC_MEMORY && runs[i].status != AZR_EXEC_NO_RESULT;
        azr_strbuf_deinit(&ended.records[i]);
    }
    for (size_t i = 0; i < ended.n_records && !done; i++)
        azr_exec__run_deinit(&runs[i]);
    *out_done = done;
    return azr_exec__worker_restore(w, ended.n_faults, always_scan);
}

/* Now and then, all pages. */
static bool is_still_good(struct azr_exec__recycle *r, azr_exec__worker *w)
{
    uint64_t address;
    if (w->n_unchecked < CHECK_EVERY)
        return true;
    w->n_unchecked = 0;
    __atomic_fetch_add(&r->n_checks, 1, __ATOMIC_RELAXED);
    bool good = azr_exec__worker_check(w, &address);
    if (!good)
        __atomic_fetch_add(&r->n_differences, 1, __ATOMIC_RELAXED);
    return good;
}

/* --- a supervisor -------------------------------------------------------------------------------
 */

static bool may_serve(const supervisor *s, azr_exec__flavour flavour)
{
    int n = s->executor->recycle->n_supervisors;
    return flavour == AZR_EXEC__FLAVOUR_A || n == 1 || (int)flavour % 2 == s->index % 2;
}

/* Can this supervisor do something about the try now? Asks for a worker else. */
static bool serves(azr_executor *executor, const azr_exec__try *what, void *argument)
{
    supervisor *s = argument;
    azr_exec__flavour flavour = what->flavour;
    if (flavour >= AZR_EXEC__N_FLAVOURS || !may_serve(s, flavour))
        return false;
    if (s->workers[flavour] != NULL || executor->servers[flavour].state == AZR_EXEC__SERVER_BROKEN)
        return true;
    if (!s->wanted[flavour]) {
        s->wanted[flavour] = true;
        pthread_cond_signal(&executor->recycle->starts);
    }
    return false;
}

static void adopt(supervisor *s)
{
    for (int f = 0; f < N_FLAVOURS; f++) {
        azr_exec__worker *new = s->delivered[f];
        if (new == NULL)
            continue;
        azr_exec__worker *old = s->workers[f];
        s->delivered[f] = NULL;
        s->workers[f] = new;
        pthread_mutex_unlock(&s->executor->lock);
        azr_exec__worker_destroy(old);
        pthread_mutex_lock(&s->executor->lock);
    }
}

static void lose_worker(supervisor *s, azr_exec__flavour flavour)
{
    struct azr_exec__recycle *r = s->executor->recycle;
    azr_exec__worker *w = s->workers[flavour];
    s->workers[flavour] = NULL;
    r->n_restarts++;
    if (flavour == AZR_EXEC__FLAVOUR_A && r->spare != NULL) {
        s->workers[flavour] = r->spare;
        r->spare = NULL;
        azr_exec__worker_pin(s->workers[flavour], s->core);
    } else {
        s->wanted[flavour] = true;
    }
    pthread_cond_signal(&r->starts);
    pthread_mutex_unlock(&s->executor->lock);
    azr_exec__worker_destroy(w);
    pthread_mutex_lock(&s->executor->lock);
}

/* What the last runs wrote to: worth a new worker? */
static void learn(supervisor *s, azr_exec__worker *w)
{
    struct azr_exec__recycle *r = s->executor->recycle;
    if (w->n_runs < LEARN_EVERY)
        return;
    bool often = w->n_faulted > w->n_runs / 20;
    uint32_t n_least = w->n_runs / 50;
    if (often && azr_exec__hot_learn(&r->hot[w->flavour], w, n_least)) {
        s->wanted[w->flavour] = true;
        pthread_cond_signal(&r->starts);
    }
    memset(w->counts, 0, w->image_bytes / AZR_EXEC__PAGE * sizeof w->counts[0]);
    w->n_runs = w->n_faulted = 0;
}

/* One try, or all of a job that may share a process. */
static void serve_try(supervisor *s, azr_exec__try *what)
{
    azr_executor *executor = s->executor;
    struct azr_exec__recycle *r = executor->recycle;
    azr_exec__flavour flavour = what->flavour;
    azr_exec__worker *w = s->workers[flavour];
    azr_exec__try *group[AZR_EXEC__MAX_REQUESTS] = {what};
    azr_exec_run runs[AZR_EXEC__MAX_REQUESTS] = {0};
    size_t n = 1;
    if (w == NULL) {
        internal(&runs[0], executor->servers[flavour].ready.text);
        azr_exec__hub_end(executor, what, &runs[0]);
        return;
    }
    while (what->job->share_process && what->n_tries == 0 && !what->is_slow &&
           n < AZR_EXEC__MAX_REQUESTS && n < what->job->n_inputs &&
           (group[n] = azr_exec__hub_take_fresh(executor, what->job)) != NULL)
        n++;
    s->running = w->pid;
    pthread_mutex_unlock(&executor->lock);
    bool done = true, good;
    if (n > 1)
        good = run_group(w, r->always_scan, group, n, runs, &done);
    else
        good = run_try(w, r->always_scan, what, &runs[0]);
    good = good && is_still_good(r, w);
    pthread_mutex_lock(&executor->lock);
    s->running = 0;
    for (size_t i = 0; i < n; i++) {
        if (r->stop) {
            azr_exec__run_deinit(&runs[i]);
            azr_free(group[i]);
        } else if (done) {
            azr_exec__hub_end(executor, group[i], &runs[i]);
        } else {
            group[i]->n_tries++; /* alone, next time */
            azr_exec__hub_queue(executor, group[i], true);
        }
    }
    if (!good && !r->stop)
        lose_worker(s, flavour);
    else if (!r->stop)
        learn(s, w);
}

static void pin_thread(int core)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    sched_setaffinity(0, sizeof one, &one);
}

static void *supervise(void *argument)
{
    supervisor *s = argument;
    azr_executor *executor = s->executor;
    struct azr_exec__recycle *r = executor->recycle;
    pin_thread(s->core);
    pthread_mutex_lock(&executor->lock);
    while (!r->stop) {
        adopt(s);
        azr_exec__try *what = r->stop ? NULL : azr_exec__hub_take(executor, serves, s);
        if (what != NULL) {
            serve_try(s, what);
            continue;
        }
        if (r->stop)
            break;
        r->n_idle++;
        pthread_cond_wait(&r->work, &executor->lock);
        r->n_idle--;
    }
    pthread_mutex_unlock(&executor->lock);
    return NULL;
}

/* --- the starter --------------------------------------------------------------------------------
 */

/* Lets the programs run, so that the hot pages are known. False: the worker is of no use. */
static bool train(azr_exec__worker *w, azr_exec__hot *hot)
{
    enum { ROUNDS = 2, WALL_MS = 20000 };
    azr_exec_limits limits = azr_exec_default_limits();
    azr_strbuf arguments = {0};
    static const char none[] = {AZR_LITERAL_ARGUMENTS, 0, 0, 0, 0, 0, 0, 0, 0};
    azr_strbuf_append(&arguments, none, sizeof none);
    bool good = true;
    for (int i = 0; i < ROUNDS; i++) {
        for (const char *const *p = azr_exec__training; *p != NULL && good; p++) {
            char *program = azr_copy_text(*p, strlen(*p));
            azr_exec__job job = {.program = program,
                                 .program_bytes = strlen(*p),
                                 .function = (char[]){"f"},
                                 .function_bytes = 1,
                                 .limits = limits,
                                 .n_inputs = 1,
                                 .arguments = &arguments};
            azr_exec__try what = {.job = &job};
            azr_exec__ended ended;
            azr_exec__worker_begin(w, limits.cpu_ms * 10);
            good = add_request(w, &what) &&
                   azr_exec__worker_run(w, WALL_MS, &ended) == AZR_EXEC__RAN &&
                   ended.wait_status == 0 && ended.n_records == 1;
            if (good)
                azr_strbuf_deinit(&ended.records[0]);
            good = good && azr_exec__worker_restore(w, ended.n_faults, true);
            azr_free(program);
        }
    }
    if (good)
        azr_exec__hot_learn(hot, w, ROUNDS);
    memset(w->counts, 0, w->image_bytes / AZR_EXEC__PAGE * sizeof w->counts[0]);
    w->n_runs = w->n_faulted = 0;
    azr_strbuf_deinit(&arguments);
    return good;
}

/* With the lock held: the state of the flavour after a start. */
static void note_start(azr_executor *executor, azr_exec__flavour flavour,
                       const azr_exec__notice *notice, bool ok, bool broken)
{
    struct azr_exec__recycle *r = executor->recycle;
    azr_exec__server *server = &executor->servers[flavour];
    if (ok) {
        r->n_failures[flavour] = 0;
        if (!server->was_ready)
            server->ready = *notice;
        server->was_ready = true;
        server->state = AZR_EXEC__SERVER_READY;
        /* Other flavours are started when they are needed; what they lack then ends their start. */
        for (int f = 0; f < N_FLAVOURS && flavour == AZR_EXEC__FLAVOUR_A; f++) {
            if (executor->servers[f].was_ready ||
                executor->servers[f].state == AZR_EXEC__SERVER_BROKEN)
                continue;
            executor->servers[f].ready = *notice;
            executor->servers[f].state = AZR_EXEC__SERVER_READY;
        }
    } else {
        /* Only the first start can tell that others would fail likewise: later ones may be killed
         * by whatever killed the worker before. */
        bool is_first = flavour == AZR_EXEC__FLAVOUR_A && !server->was_ready;
        double now = azr_clock_seconds();
        if (r->n_failures[flavour]++ == 0)
            r->failing_from[flavour] = now;
        if (is_first ? broken || r->n_failures[flavour] >= FIRST_STARTS
                     : r->n_failures[flavour] >= LATER_STARTS &&
                           now - r->failing_from[flavour] >= giving_up_seconds) {
            server->state = AZR_EXEC__SERVER_BROKEN;
            memcpy(server->ready.text, notice->text, sizeof notice->text);
        }
    }
    pthread_cond_broadcast(&executor->changed);
    pthread_cond_broadcast(&r->work);
}

/* A worker of the flavour on the core, without the lock. */
static azr_exec__worker *start_one(azr_executor *executor, azr_exec__flavour flavour, int core,
                                   const azr_exec__hot *hot)
{
    azr_exec__notice notice;
    bool broken;
    pthread_mutex_unlock(&executor->lock);
    pin_thread(core);
    azr_exec__worker *w = azr_exec__worker_start(flavour, executor->without, hot, &notice, &broken);
    if (w != NULL && executor->servers[0].was_ready &&
        (executor->servers[0].ready.layers & ~notice.layers) != 0) {
        azr_exec__worker_destroy(w);
        w = NULL;
        snprintf(notice.text, sizeof notice.text,
                 "a new worker has less protection than the one before");
    }
    pthread_mutex_lock(&executor->lock);
    note_start(executor, flavour, &notice, w != NULL, broken);
    return w;
}

static void deliver(supervisor *s, azr_exec__flavour flavour, azr_exec__worker *w)
{
    azr_exec__worker *old = s->delivered[flavour];
    s->delivered[flavour] = w;
    pthread_cond_broadcast(&s->executor->recycle->work);
    azr_exec__worker_destroy(old);
}

static void wait_after_failure(struct azr_exec__recycle *r, azr_executor *executor, int n_failures)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    long ns = until.tv_nsec + (long)(n_failures * pause_seconds * 1e9);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    if (!r->stop)
        pthread_cond_timedwait(&r->starts, &executor->lock, &until);
}

/* Starts what a supervisor wants. The first worker of a flavour serves at once, while the next one
 * starts with what it learned. */
static void start_wanted(supervisor *s, azr_exec__flavour flavour)
{
    azr_executor *executor = s->executor;
    struct azr_exec__recycle *r = executor->recycle;
    s->wanted[flavour] = false;
    azr_exec__hot hot = r->hot[flavour];
    azr_exec__worker *w = start_one(executor, flavour, s->core, &hot);
    if (w == NULL) {
        s->wanted[flavour] = executor->servers[flavour].state != AZR_EXEC__SERVER_BROKEN;
        wait_after_failure(r, executor, r->n_failures[flavour]);
        return;
    }
    if (!r->is_trained[flavour]) {
        pthread_mutex_unlock(&executor->lock);
        bool good = train(w, &hot);
        pthread_mutex_lock(&executor->lock);
        s->wanted[flavour] = true;
        if (!good) {
            azr_exec__worker_destroy(w);
            return;
        }
        r->hot[flavour] = hot;
        r->is_trained[flavour] = true;
    }
    deliver(s, flavour, w);
}

static bool start_next(struct azr_exec__recycle *r)
{
    for (int f = 0; f < N_FLAVOURS; f++) {
        for (int i = 0; i < r->n_supervisors; i++) {
            if (!r->supervisors[i].wanted[f])
                continue;
            start_wanted(&r->supervisors[i], (azr_exec__flavour)f);
            return true;
        }
    }
    return false;
}

static void *start_workers(void *argument)
{
    azr_executor *executor = argument;
    struct azr_exec__recycle *r = executor->recycle;
    pthread_mutex_lock(&executor->lock);
    while (!r->stop) {
        if (start_next(r))
            continue;
        if (r->spare == NULL && executor->servers[0].state == AZR_EXEC__SERVER_READY) {
            azr_exec__hot hot = r->hot[0];
            r->spare = start_one(executor, AZR_EXEC__FLAVOUR_A,
                                 r->supervisors[r->n_supervisors - 1].core, &hot);
            if (r->spare == NULL)
                wait_after_failure(r, executor, r->n_failures[0]);
            continue;
        }
        pthread_cond_wait(&r->starts, &executor->lock);
    }
    /* Workers die with this thread: it stays until nobody uses them. */
    pthread_mutex_unlock(&executor->lock);
    for (int i = 0; i < r->n_supervisors; i++)
        pthread_join(r->supervisors[i].thread, NULL);
    return NULL;
}

/* --- start and end ------------------------------------------------------------------------------
 */

static int core_of(int index)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0 || CPU_COUNT(&cores) == 0)
        return 0;
    index %= CPU_COUNT(&cores);
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET((size_t)core, &cores) && index-- == 0)
            return core;
    return 0;
}

bool azr_exec__recycle_start(azr_executor *executor)
{
    struct azr_exec__recycle *r = azr_alloc(1, sizeof *r);
    sigset_t all, old;
    executor->recycle = r;
    pthread_cond_init(&r->work, NULL);
    pthread_cond_init(&r->starts, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_mutex_lock(&executor->lock);
    bool ok = true;
    for (int i = 0; i < executor->n_workers && ok; i++) {
        supervisor *s = &r->supervisors[i];
        *s = (supervisor){.executor = executor, .index = i, .core = core_of(i), .wanted = {true}};
        ok = pthread_create(&s->thread, NULL, supervise, s) == 0;
        r->n_supervisors += ok;
    }
    ok = ok && pthread_create(&r->starter, NULL, start_workers, executor) == 0;
    r->has_starter = ok;
    pthread_mutex_unlock(&executor->lock);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ok;
}

void azr_exec__recycle_stop(azr_executor *executor)
{
    struct azr_exec__recycle *r = executor->recycle;
    if (r == NULL)
        return;
    pthread_mutex_lock(&executor->lock);
    r->stop = true;
    for (int i = 0; i < r->n_supervisors; i++)
        if (r->supervisors[i].running > 0)
            kill(r->supervisors[i].running, SIGKILL); /* it is reaped by its supervisor only */
    pthread_cond_broadcast(&r->work);
    pthread_cond_broadcast(&r->starts);
    pthread_mutex_unlock(&executor->lock);
    if (r->has_starter)
        pthread_join(r->starter, NULL);
    for (int i = 0; i < r->n_supervisors; i++) {
        supervisor *s = &r->supervisors[i];
        if (!r->has_starter)
            pthread_join(s->thread, NULL);
        for (int f = 0; f < N_FLAVOURS; f++) {
            azr_exec__worker_destroy(s->workers[f]);
            azr_exec__worker_destroy(s->delivered[f]);
        }
    }
    azr_exec__worker_destroy(r->spare);
    pthread_cond_destroy(&r->work);
    pthread_cond_destroy(&r->starts);
    azr_free(r);
    executor->recycle = NULL;
}

void azr_exec__recycle_wake(azr_executor *executor)
{
    if (executor->recycle->n_idle > 0)
        pthread_cond_broadcast(&executor->recycle->work);
}

void azr_exec__recycle_describe(const azr_executor *executor, azr_exec__flavour flavour, char *text,
                                size_t text_bytes)
{
    const struct azr_exec__recycle *r = executor->recycle;
    size_t n_hot = 0, n_workers = 0, n_pages = 0;
    bool has_scan = true;
    for (int i = 0; i < r->n_supervisors; i++) {
        const azr_exec__worker *w = r->supervisors[i].workers[flavour];
        if (w == NULL)
            continue;
        n_workers++;
        n_hot = w->n_hot_pages;
        n_pages = w->image_bytes / AZR_EXEC__PAGE;
        has_scan = w->has_scan;
    }
    snprintf(text, text_bytes,
             "%zu workers, %zu of %zu pages hot, %s, %llu restarts, %llu full checks, "
             "%llu differences",
             n_workers, n_hot, n_pages,
             has_scan ? "written pages found by PAGEMAP_SCAN" : "written pages found by pagemap",
             (unsigned long long)r->n_restarts, (unsigned long long)r->n_checks,
             (unsigned long long)r->n_differences);
}
