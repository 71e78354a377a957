/* recycle_run.c: one run in a recycled worker, and how its memory comes back afterwards. */
#include "executor/recycle.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PAGE = AZR_EXEC__PAGE, ALIGN = 16 };

/* --- PAGEMAP_SCAN, which the headers of older systems lack --------------------------------------
 */

typedef struct scan_region {
    uint64_t start, end, categories;
} scan_region;

typedef struct scan_request {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
} scan_request;

enum {
    SCAN_IS_FILE = 1 << 2,
    SCAN_IS_PRESENT = 1 << 3,
    SCAN_IS_SWAPPED = 1 << 4,
    SCAN_REGIONS = 512,
};

/* --- commands and reports -----------------------------------------------------------------------
 */

/* The ranges to drop go with each command. */
static bool send_command(azr_exec__worker *w, bool run)
{
    uint64_t command = w->n_drops | (run ? azr_exec__command_run : 0);
    memcpy(w->window + AZR_EXEC__DROPS_OFFSET, w->drops, w->n_drops * sizeof w->drops[0]);
    w->n_drops = 0;
    return write(w->command_fd, &command, sizeof command) == (ssize_t)sizeof command;
}

/* RAN: a whole report came in time. */
static azr_exec__ran receive_report(const azr_exec__worker *w, double deadline,
                                    azr_exec__control *out_report)
{
    struct pollfd report = {.fd = w->report_fd, .events = POLLIN};
    int n;
    do {
        double left = deadline - azr_clock_seconds();
        n = left > 0 ? poll(&report, 1, (int)(left * 1e3) + 1) : 0;
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return AZR_EXEC__RAN_LATE;
    bool whole =
        n > 0 && read(w->report_fd, out_report, sizeof *out_report) == (ssize_t)sizeof *out_report;
    return whole ? AZR_EXEC__RAN : AZR_EXEC__RAN_BROKEN;
}

/* Drops what is to be dropped, now. */
static bool flush(azr_exec__worker *w)
{
    enum { DROP_SECONDS = 20 };
    azr_exec__control report;
    if (w->n_drops == 0)
        return true;
    bool ok = send_command(w, false) &&
              receive_report(w, azr_clock_seconds() + DROP_SECONDS, &report) == AZR_EXEC__RAN &&
              report.type == AZR_EXEC__REPORT_DROPPED;
    memset(w->window, 0, sizeof report);
    return ok;
}

/* --- a run --------------------------------------------------------------------------------------
 */

void azr_exec__worker_begin(azr_exec__worker *w, int cpu_ms)
{
    azr_exec__input *input = (azr_exec__input *)(void *)(w->window + AZR_EXEC__INPUT_OFFSET);
    *input = (azr_exec__input){.bytes = sizeof *input};
    input->event.sigev_notify = SIGEV_SIGNAL;
    input->event.sigev_signo = SIGKILL;
    input->cpu.it_value.tv_sec = cpu_ms / 1000;
    input->cpu.it_value.tv_nsec = cpu_ms % 1000 * 1000000L;
    w->input_bytes = sizeof *input;
    w->max_record_bytes = 0;
}

bool azr_exec__worker_add(azr_exec__worker *w, const azr_exec__run_header *header,
                          const char *texts[3])
{
    azr_exec__input *input = (azr_exec__input *)(void *)(w->window + AZR_EXEC__INPUT_OFFSET);
    const size_t sizes[3] = {header->program_bytes + (size_t)1, header->function_bytes + (size_t)1,
                             header->arguments_bytes};
    size_t bytes = sizeof *header + sizes[0] + sizes[1] + sizes[2];
    if (input->n_requests == AZR_EXEC__MAX_REQUESTS ||
        bytes + ALIGN > AZR_EXEC__INPUT_BYTES - input->bytes)
        return false;
    char *at = (char *)input + input->bytes;
    memcpy(at, header, sizeof *header);
    at += sizeof *header;
    for (int i = 0; i < 3; i++) {
        memcpy(at, texts[i], sizes[i]);
        at += sizes[i];
    }
    input->n_requests++;
    input->bytes += (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    w->input_bytes = input->bytes;
    size_t record_bytes = header->result_bytes + (size_t)AZR_EXEC__RECORD_OVERHEAD + 64;
    if (record_bytes > w->max_record_bytes)
        w->max_record_bytes = record_bytes;
    return true;
}

/* Everything here was written by hostile code: places are checked, contents are for record.h. */
static void take_records(azr_exec__worker *w, size_t n_requests, azr_exec__ended *ended)
{
    azr_exec__record_place place;
    const char *part = w->window + AZR_EXEC__RECORD_OFFSET;
    memcpy(&place, part, sizeof place);
    uint64_t inline_start = azr_exec__window_address + AZR_EXEC__RECORD_OFFSET;
    for (size_t i = 0; i < n_requests && i < place.n_records; i++) {
        uint64_t address = place.records[i].address, bytes = place.records[i].bytes;
        azr_strbuf *record = &ended->records[i];
        if (bytes > w->max_record_bytes || bytes == 0)
            return;
        const char started = AZR_EXEC__STARTED;
        azr_strbuf_append(record, &started, 1);
        if (address >= inline_start && address - inline_start < AZR_EXEC__RECORD_BYTES &&
            bytes <= AZR_EXEC__RECORD_BYTES - (address - inline_start)) {
            azr_strbuf_append(record, part + (address - inline_start), bytes);
        } else {
            char *copy = azr_alloc(bytes, 1);
            ssize_t n =
                address <= INT64_MAX ? pread(w->memory_fd, copy, bytes, (off_t)address) : -1;
            if (n == (ssize_t)bytes)
                azr_strbuf_append(record, copy, bytes);
            azr_free(copy);
            if (n != (ssize_t)bytes)
                return;
        }
        ended->n_records = i + 1;
    }
}

azr_exec__ran azr_exec__worker_run(azr_exec__worker *w, int wall_ms, azr_exec__ended *out_ended)
{
    const azr_exec__input *input =
        (const azr_exec__input *)(const void *)(w->window + AZR_EXEC__INPUT_OFFSET);
    azr_exec__control report;
    *out_ended = (azr_exec__ended){0};
    if (!send_command(w, true))
        return AZR_EXEC__RAN_BROKEN;
    azr_exec__ran ran = receive_report(w, azr_clock_seconds() + wall_ms * 1e-3, &report);
    if (ran != AZR_EXEC__RAN)
        return ran;
    if (report.type != AZR_EXEC__REPORT_RAN)
        return AZR_EXEC__RAN_BROKEN;
    const struct rusage *usage = &report.usage;
    out_ended->wait_status = report.status;
    out_ended->n_faults = usage->ru_minflt + usage->ru_majflt;
    out_ended->cpu_us = (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * (int64_t)1000000 +
                        usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
    take_records(w, input->n_requests, out_ended);
    return AZR_EXEC__RAN;
}

/* --- bringing memory back -----------------------------------------------------------------------
 */

/* Everything: when the list of pages is too long. */
static void drop_all(azr_exec__worker *w)
{
    w->n_drops = 0;
    for (size_t i = 0; i < w->n_stretches; i++)
        w->drops[w->n_drops++] = (azr_exec__drop){w->stretches[i].address, w->stretches[i].bytes};
}

static void add_drop(azr_exec__worker *w, uint64_t address, uint64_t bytes, bool *full)
{
    azr_exec__drop *last = w->n_drops > 0 ? &w->drops[w->n_drops - 1] : NULL;
    if (last != NULL && last->address + last->bytes == address)
        last->bytes += bytes;
    else if (w->n_drops < AZR_EXEC__MAX_DROPS)
        w->drops[w->n_drops++] = (azr_exec__drop){address, bytes};
    else
        *full = true;
}

/* The first stretch that ends behind the address. */
static size_t find_stretch(const azr_exec__worker *w, uint64_t address)
{
    size_t low = 0, high = w->n_stretches;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->stretches[middle].address + w->stretches[middle].bytes <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_ignored(const azr_exec__worker *w, uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < w->n_ignored; i++)
        if (start >= w->ignored[i].start && end <= w->ignored[i].end)
            return true;
    return false;
}

static bool ignore(azr_exec__worker *w, uint64_t start, uint64_t end)
{
    if (w->n_ignored == AZR_EXEC__MAX_IGNORED)
        return false;
    w->ignored[w->n_ignored++] = (azr_exec__range){start, end};
    return true;
}

static void count_pages(const azr_exec__stretch *stretch, uint64_t start, uint64_t end,
                        uint16_t *counts)
{
    if (counts == NULL || stretch->offset == azr_exec__growth)
        return;
    uint64_t first = (stretch->offset + (start - stretch->address)) / PAGE;
    for (uint64_t i = 0; i < (end - start) / PAGE; i++)
        counts[first + i] += counts[first + i] < UINT16_MAX;
}

/* Written pages from start to end: into the list, counted. at_start: what is in no stretch is the
 * kernel's own from now on; later it is a mapping that may not be. */
static bool take_range(azr_exec__worker *w, uint64_t start, uint64_t end, bool at_start,
                       uint16_t *counts, bool *full)
{
    for (size_t i = find_stretch(w, start); start < end; i++) {
        const azr_exec__stretch *s = i < w->n_stretches ? &w->stretches[i] : NULL;
        uint64_t gap_end = s == NULL || s->address > end ? end : s->address;
        if (start < gap_end && !is_ignored(w, start, gap_end) &&
            !(at_start && ignore(w, start, gap_end)))
            return false;
        if (start < gap_end)
            start = gap_end;
        if (s == NULL || start >= end)
            continue;
        uint64_t stop = s->address + s->bytes < end ? s->address + s->bytes : end;
        add_drop(w, start, stop - start, full);
        count_pages(s, start, stop, counts);
        start = stop;
    }
    return true;
}

/* Pages that no longer come from a file: copies on writing, and new ones. */
static bool scan(azr_exec__worker *w, bool at_start, uint16_t *counts, bool *full)
{
    scan_region regions[SCAN_REGIONS];
    scan_request request = {.size = sizeof request,
                            .end = 0x7ffffffff000,
                            .vec = (uint64_t)(uintptr_t)regions,
                            .vec_len = SCAN_REGIONS,
                            .category_inverted = SCAN_IS_FILE,
                            .category_mask = SCAN_IS_FILE,
                            .category_anyof_mask = SCAN_IS_PRESENT | SCAN_IS_SWAPPED,
                            .return_mask = SCAN_IS_PRESENT | SCAN_IS_SWAPPED};
    do {
        long n = ioctl(w->pagemap_fd, _IOWR('f', 16, scan_request), &request);
        if (n < 0 && (errno == ENOTTY || errno == EINVAL) && at_start) {
            w->has_scan = false;
            return true;
        }
        if (n < 0 || n > SCAN_REGIONS || request.walk_end <= request.start)
            return false;
        for (long i = 0; i < n; i++)
            if (!take_range(w, regions[i].start, regions[i].end, at_start, counts, full))
                return false;
        request.start = request.walk_end;
    } while (request.start < request.end);
    return true;
}

/* The same from /proc/PID/pagemap, for kernels before 6.7: page by page for the image; growth is
 * dropped as it is. */
static bool read_pagemap(azr_exec__worker *w, uint16_t *counts, bool *full)
{
    enum { ENTRIES = 1024 };
    uint64_t entries[ENTRIES];
    for (size_t i = 0; i < w->n_stretches; i++) {
        const azr_exec__stretch *s = &w->stretches[i];
        if (s->offset == azr_exec__growth) {
            add_drop(w, s->address, s->bytes, full);
            continue;
        }
        for (uint64_t at = 0, n; at < s->bytes; at += n * PAGE) {
            n = (s->bytes - at) / PAGE < ENTRIES ? (s->bytes - at) / PAGE : ENTRIES;
            off_t offset = (off_t)((s->address + at) / PAGE * sizeof entries[0]);
            if (pread(w->pagemap_fd, entries, n * sizeof entries[0], offset) !=
                (ssize_t)(n * sizeof entries[0]))
                return false;
            for (uint64_t k = 0; k < n; k++) {
                uint64_t page = s->address + at + k * PAGE;
                if (entries[k] >> 62 == 0 || (entries[k] >> 61 & 1) != 0)
                    continue;
                add_drop(w, page, PAGE, full);
                count_pages(s, page, page + PAGE, counts);
            }
        }
    }
    return true;
}

static bool find_written(azr_exec__worker *w, bool at_start, uint16_t *counts)
{
    bool full = false;
    bool ok = !w->has_scan || scan(w, at_start, counts, &full);
    if (ok && !w->has_scan)
        ok = read_pagemap(w, counts, &full);
    if (full)
        drop_all(w);
    return ok;
}

static void restore_hot(azr_exec__worker *w)
{
    const char *from = w->pristine;
    for (size_t i = 0; i < w->n_hot_runs; i++) {
        size_t bytes = w->hot_runs[i].end - w->hot_runs[i].start;
        memcpy(w->image + w->hot_runs[i].start, from, bytes);
        from += bytes;
    }
}

static void wipe_window(azr_exec__worker *w)
{
    memset(w->window, 0, AZR_EXEC__DROPS_OFFSET);
    memset(w->window + AZR_EXEC__INPUT_OFFSET, 0, w->input_bytes);
    w->input_bytes = 0;
}

bool azr_exec__worker_restore(azr_exec__worker *w, long n_faults, bool always_scan)
{
    enum { MANY_BYTES = 4 << 20 }; /* not kept until the next run comes */
    restore_hot(w);
    wipe_window(w);
    w->n_runs++;
    w->n_unchecked++;
    w->n_faulted += n_faults > 0;
    if (n_faults == 0 && !always_scan)
        return true;
    if (!find_written(w, false, w->counts))
        return false;
    uint64_t bytes = 0;
    for (size_t i = 0; i < w->n_drops; i++)
        bytes += w->drops[i].bytes;
    return bytes < MANY_BYTES || flush(w);
}

bool azr_exec__worker_settle(azr_exec__worker *w, int wait_ms)
{
    azr_exec__control report;
    if (receive_report(w, azr_clock_seconds() + wait_ms * 1e-3, &report) != AZR_EXEC__RAN ||
        report.type != AZR_EXEC__REPORT_SEALED)
        return false;
    wipe_window(w);
    return find_written(w, true, NULL) && flush(w);
}

bool azr_exec__hot_learn(azr_exec__hot *hot, const azr_exec__worker *w, uint32_t n_least)
{
    azr_exec__hot old = *hot;
    uint32_t n_pages = (uint32_t)(w->image_bytes / PAGE), i_old = 0;
    if (hot->image_bytes != w->image_bytes)
        old.n = 0;
    *hot = (azr_exec__hot){.image_bytes = w->image_bytes};
    bool learned = false;
    for (uint32_t page = 0; page < n_pages && hot->n < AZR_EXEC__MAX_HOT; page++) {
        bool was_hot = i_old < old.n && old.pages[i_old] == page;
        i_old += was_hot;
        if (was_hot || (w->counts[page] >= n_least && w->counts[page] > 0))
            hot->pages[hot->n++] = page;
        learned = learned || (!was_hot && w->counts[page] >= n_least && w->counts[page] > 0);
    }
    return learned;
}

/* --- the check ----------------------------------------------------------------------------------
 */

static bool is_zero(const char *bytes, size_t n)
{
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Hot pages as the image file has them: a worker cannot change others there. */
static bool check_hot(const azr_exec__worker *w, uint64_t *out_address)
{
    const char *from = w->pristine;
    for (size_t i = 0; i < w->n_hot_runs; i++) {
        size_t bytes = w->hot_runs[i].end - w->hot_runs[i].start;
        if (memcmp(w->image + w->hot_runs[i].start, from, bytes) != 0) {
            *out_address = w->hot_runs[i].start;
            return false;
        }
        from += bytes;
    }
    return true;
}

bool azr_exec__worker_check(azr_exec__worker *w, uint64_t *out_address)
{
    enum { CHUNK = 1 << 20 };
    *out_address = 0;
    if (!flush(w) || !check_hot(w, out_address))
        return false;
    char *bytes = azr_alloc(CHUNK, 1);
    bool same = true;
    for (size_t i = 0; i < w->n_stretches && same; i++) {
        const azr_exec__stretch *s = &w->stretches[i];
        if (s->offset == azr_exec__growth)
            continue;
        for (uint64_t at = 0, n; at < s->bytes && same; at += n) {
            n = s->bytes - at < CHUNK ? s->bytes - at : CHUNK;
            same = pread(w->memory_fd, bytes, n, (off_t)(s->address + at)) == (ssize_t)n;
            for (uint64_t k = 0; k < n && same; k += PAGE) {
                same = memcmp(bytes + k, w->image + s->offset + at + k, PAGE) == 0;
                *out_address = s->address + at + k;
            }
        }
    }
    azr_free(bytes);
    /* Growth has no page at all then. */
    same = same && (!w->has_scan || (find_written(w, false, NULL) && w->n_drops == 0));
    w->n_drops = same ? 0 : w->n_drops;
    return same && is_zero(w->window, AZR_EXEC__DROPS_OFFSET);
}
