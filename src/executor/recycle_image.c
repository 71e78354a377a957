/* recycle_image.c: moves a process's memory onto the pages of a file while it runs on them. */
#include "executor/recycle_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGE = AZR_EXEC__PAGE,
    MAX_MAPS_BYTES = 256 << 10,
    PAGEMAP_ENTRIES = 512,
    POPULATE_READ = 22, /* MADV_POPULATE_READ, _WRITE */
    POPULATE_WRITE = 23,
};

typedef struct sealer {
    const azr_exec__seal *seal;
    azr_exec__image *image;
    size_t i_hot;
    char *reason;
    size_t reason_bytes;
} sealer;

static bool refuse(const sealer *s, const char *why, uint64_t address)
{
    snprintf(s->reason, s->reason_bytes, "the image of the interpreter: %s at %#llx", why,
             (unsigned long long)address);
    return false;
}

#if defined(__x86_64__)
/* Writes the bytes to the file and maps them from there, at once: nothing is written to memory
 * between the two system calls, so that even the stack this runs on can be moved. */
static bool move(uint64_t address, uint64_t bytes, int prot, int flags, int fd, uint64_t offset)
{
    register long result __asm__("rax") = 18; /* pwrite64 */
    register long a1 __asm__("rdi") = fd;
    register uint64_t a2 __asm__("rsi") = address;
    register uint64_t a3 __asm__("rdx") = bytes;
    register uint64_t a4 __asm__("r10") = offset;
    register long a5 __asm__("r8") = fd;
    register uint64_t a6 __asm__("r9") = offset;
    register long the_prot __asm__("r12") = prot;
    register long the_flags __asm__("r13") = flags;
    __asm__ volatile("syscall\n"
                     "cmp %%rdx, %%rax\n"
                     "jne 1f\n"
                     "mov %%rsi, %%rdi\n"
                     "mov %%rdx, %%rsi\n"
                     "mov %%r12, %%rdx\n"
                     "mov %%r13, %%r10\n"
                     "mov $9, %%eax\n" /* mmap */
                     "syscall\n"
                     "1:\n"
                     : "+r"(result), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4)
                     : "r"(a5), "r"(a6), "r"(the_prot), "r"(the_flags)
                     : "rcx", "r11", "memory", "cc");
    return (uint64_t)result == address;
}
#else
static bool move(uint64_t address, uint64_t bytes, int prot, int flags, int fd, uint64_t offset)
{
    (void)address, (void)bytes, (void)prot, (void)flags, (void)fd, (void)offset;
    return false;
}
#endif

static bool add_stretch(const sealer *s, uint64_t address, uint64_t bytes, uint64_t offset)
{
    if (s->image->n_stretches == AZR_EXEC__MAX_STRETCHES)
        return refuse(s, "too many mappings", address);
    s->image->stretches[s->image->n_stretches++] =
        (azr_exec__stretch){.address = address, .bytes = bytes, .offset = offset};
    return true;
}

/* One stretch of the image, in pieces that are hot or not. */
static bool move_stretch(sealer *s, uint64_t address, uint64_t bytes, int prot)
{
    azr_exec__image *image = s->image;
    uint64_t offset = image->file_bytes;
    if (bytes == 0)
        return true;
    image->file_bytes += bytes;
    if (!add_stretch(s, address, bytes, offset))
        return false;
    for (uint64_t at = 0, n; at < bytes; at += n) {
        uint64_t page = (offset + at) / PAGE;
        while (s->i_hot < s->seal->n_hot && s->seal->hot[s->i_hot] < page)
            s->i_hot++;
        bool is_hot =
            s->i_hot < s->seal->n_hot && s->seal->hot[s->i_hot] == page && (prot & PROT_WRITE) != 0;
        n = PAGE;
        if (is_hot) {
            while (at + n < bytes && s->i_hot + n / PAGE < s->seal->n_hot &&
                   s->seal->hot[s->i_hot + n / PAGE] == page + n / PAGE)
                n += PAGE;
        } else {
            uint64_t next = s->i_hot < s->seal->n_hot && (prot & PROT_WRITE) != 0
                                ? s->seal->hot[s->i_hot]
                                : UINT64_MAX / PAGE;
            n = (next == page ? PAGE : (next - page) * PAGE);
            if (n > bytes - at)
                n = bytes - at;
        }
        int flags = MAP_FIXED | (is_hot ? MAP_SHARED : MAP_PRIVATE);
        if (!move(address + at, n, prot, flags, s->seal->image_fd, offset + at))
            return refuse(s, "a page cannot be moved", address + at);
        /* Without their page table entries the first runs would be slow: no more. */
        (void)madvise(azr_exec__at(address + at), n, is_hot ? POPULATE_WRITE : POPULATE_READ);
    }
    return true;
}

/* Read-only pages that were written once (relocations): those that are no longer the file's. */
static bool move_written(sealer *s, uint64_t start, uint64_t end, int prot)
{
    static uint64_t entries[PAGEMAP_ENTRIES];
    uint64_t from = 0;
    for (uint64_t at = start; at < end; at += PAGE) {
        uint64_t i = (at - start) / PAGE % PAGEMAP_ENTRIES;
        if (i == 0) {
            uint64_t left = (end - at) / PAGE;
            size_t n = (left < PAGEMAP_ENTRIES ? left : PAGEMAP_ENTRIES) * sizeof entries[0];
            if (pread(s->seal->pagemap_fd, entries, n, (off_t)(at / PAGE * sizeof entries[0])) !=
                (ssize_t)n)
                return refuse(s, "pagemap cannot be read", at);
        }
        bool is_there = (entries[i] >> 62) != 0, is_file = (entries[i] >> 61 & 1) != 0;
        bool is_written = is_there && !is_file;
        if (is_written && from == 0)
            from = at;
        bool ends = from != 0 && (!is_written || at + PAGE == end);
        if (ends && (prot & PROT_EXEC))
            return refuse(s, "code was written to", at);
        if (ends && !move_stretch(s, from, (is_written ? at + PAGE : at) - from, prot))
            return false;
        if (ends)
            from = 0;
    }
    return true;
}

static bool move_mapping(sealer *s, uint64_t start, uint64_t end, const char *perms)
{
    const azr_exec__seal *seal = s->seal;
    int prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
               (perms[2] == 'x' ? PROT_EXEC : 0);
    if (start >= azr_exec__window_address &&
        start < azr_exec__window_address + AZR_EXEC__WINDOW_BYTES)
        return true;
    if (perms[3] == 's')
        return refuse(s, "a shared mapping", start);
    if (prot == PROT_NONE)
        return true;
    if (!(prot & PROT_WRITE))
        return move_written(s, start, end, prot);
    if (prot & PROT_EXEC)
        return refuse(s, "memory that can be written and executed", start);
    if (start == seal->region) {
        uint64_t image_end = (seal->region_top + AZR_EXEC__REGION_SLACK) & ~(uint64_t)0x1fffff;
        /* Who needs that much needs more: in large pages, where the kernel has them. */
        (void)madvise(azr_exec__at(image_end), end - image_end, MADV_HUGEPAGE);
        return move_stretch(s, start, image_end - start, prot) &&
               add_stretch(s, image_end, end - image_end, azr_exec__growth);
    }
    if (start == seal->stack) {
        uint64_t image_start = end - AZR_EXEC__STACK_IMAGE_BYTES;
        return add_stretch(s, start, image_start - start, azr_exec__growth) &&
               move_stretch(s, image_start, end - image_start, prot);
    }
    return move_stretch(s, start, end - start, prot);
}

bool azr_exec__image_seal(const azr_exec__seal *seal, azr_exec__image *image,
                          char *reason, /* NOLINT(readability-non-const-parameter): kept in s */
                          size_t reason_bytes)
{
    static char maps[MAX_MAPS_BYTES + 1];
    sealer s = {seal, image, 0, reason, reason_bytes};
    size_t size = 0;
    image->n_stretches = image->file_bytes = 0;
    for (ssize_t n; size < MAX_MAPS_BYTES; size += (size_t)n) {
        n = read(seal->maps_fd, maps + size, MAX_MAPS_BYTES - size);
        if (n < 0)
            return refuse(&s, "/proc/self/maps cannot be read", 0);
        if (n == 0)
            break;
    }
    if (size == MAX_MAPS_BYTES)
        return refuse(&s, "too many mappings", 0);
    maps[size] = '\0';
    for (char *line = maps, *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        if (end == NULL)
            return refuse(&s, "a line of /proc/self/maps is not whole", 0);
        *end = '\0';
        char *rest, *perms;
        uint64_t start = strtoull(line, &rest, 16);
        uint64_t stop = *rest == '-' ? strtoull(rest + 1, &perms, 16) : 0;
        if (stop <= start || strlen(perms) < 5)
            return refuse(&s, "a line of /proc/self/maps is not known", start);
        const char *path = strrchr(perms, ' ');
        if (path != NULL && strncmp(path + 1, "[v", 2) == 0)
            continue; /* the kernel's: vdso, vvar */
        if (!move_mapping(&s, start, stop, perms + 1))
            return false;
    }
    return true;
}
