/* recycle_keeper.c: the keeper: what a recycled worker's process does between runs, and the first
 * steps of each run's child. It is written in assembler because the child shares all memory with
 * it: whatever the keeper had in memory, the child could change. So the keeper keeps everything in
 * registers; it has no stack. What it reads from memory was written by the supervisor after the
 * last child's death.
 *
 * r12: the window; r13: top of the child's stack; r14: the child's function; r15: the cookie. The
 * filter lets the keeper's system calls pass only with the cookie in r8, an argument none of them
 * uses. The child's registers are wiped before it calls anything. */
#include "executor/recycle_keeper.h"

#include "executor/recycle_window.h"

#include <stddef.h>

_Static_assert(offsetof(azr_exec__control, command) == 0, "the assembler knows");
_Static_assert(offsetof(azr_exec__control, type) == 8, "the assembler knows");
_Static_assert(offsetof(azr_exec__control, pid) == 16, "the assembler knows");
_Static_assert(offsetof(azr_exec__control, status) == 24, "the assembler knows");
_Static_assert(offsetof(azr_exec__control, usage) == 64, "the assembler knows");
_Static_assert(AZR_EXEC__REPORT_BYTES == 208, "the assembler knows");
_Static_assert(AZR_EXEC__TIMER_OFFSET == 512, "the assembler knows");
_Static_assert(AZR_EXEC__DROPS_OFFSET == 0x9000, "the assembler knows");
_Static_assert(AZR_EXEC__INPUT_OFFSET == 0x18000, "the assembler knows");
_Static_assert(offsetof(azr_exec__start, cookie) == 0, "the assembler knows");
_Static_assert(offsetof(azr_exec__start, program) == 8, "the assembler knows");
_Static_assert(offsetof(azr_exec__input, event) == 0, "the assembler knows");
_Static_assert(offsetof(azr_exec__input, cpu) == 64, "the assembler knows");

#if defined(__x86_64__)
__asm__(".text\n"
        ".p2align 6\n"
        ".globl azr_exec__keeper\n"
        ".type azr_exec__keeper, @function\n"
        "azr_exec__keeper:\n"
        "    mov %rdi, %r12\n"
        "    mov %rsi, %r13\n"
        "    mov %rdx, %r14\n"
        "    lea 0x18000(%r12), %rbx\n"
        "    mov (%rbx), %r15\n"
        "    mov $157, %eax\n" /* prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) */
        "    mov $22, %edi\n"
        "    mov $2, %esi\n"
        "    lea 8(%rbx), %rdx\n"
        "    xor %r10d, %r10d\n"
        "    xor %r8d, %r8d\n"
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jnz .Lkeeper_die\n"
        "    movq $1, 8(%r12)\n"
        ".Lkeeper_report:\n"
        "    mov $1, %eax\n" /* write(1, control, REPORT_BYTES) */
        "    mov $1, %edi\n"
        "    mov %r12, %rsi\n"
        "    mov $208, %edx\n"
        "    mov %r15, %r8\n"
        "    syscall\n"
        "    cmp $208, %rax\n"
        "    jne .Lkeeper_die\n"
        "    xor %eax, %eax\n" /* read(0, control.command, 8) */
        "    xor %edi, %edi\n"
        "    mov %r12, %rsi\n"
        "    mov $8, %edx\n"
        "    mov %r15, %r8\n"
        "    syscall\n"
        "    cmp $8, %rax\n"
        "    jne .Lkeeper_die\n"
        "    mov (%r12), %rbp\n"
        "    lea 0x9000(%r12), %rbx\n"
        ".Lkeeper_drop:\n"
        "    test %ebp, %ebp\n"
        "    jz .Lkeeper_dropped\n"
        "    mov $28, %eax\n" /* madvise(address, bytes, MADV_DONTNEED) */
        "    mov (%rbx), %rdi\n"
        "    mov 8(%rbx), %rsi\n"
        "    mov $4, %edx\n"
        "    mov %r15, %r8\n"
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jnz .Lkeeper_die\n"
        "    add $16, %rbx\n"
        "    dec %rbp\n"
        "    jmp .Lkeeper_drop\n"
        ".Lkeeper_dropped:\n"
        "    movq $2, 8(%r12)\n"
        "    shr $32, %rbp\n"
        "    jz .Lkeeper_report\n"
        "    mov $56, %eax\n" /* clone(CLONE_VM | SIGCHLD, stack) */
        "    mov $0x111, %edi\n"
        "    mov %r13, %rsi\n"
        "    xor %edx, %edx\n"
        "    xor %r10d, %r10d\n"
        "    mov %r15, %r8\n"
        "    xor %r9d, %r9d\n"
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jz .Lkeeper_child\n"
        "    mov %rax, %rbx\n"
        "    js .Lkeeper_no_clone\n"
        ".Lkeeper_wait:\n"
        "    mov $61, %eax\n" /* wait4(child, status, __WALL, usage) */
        "    mov %rbx, %rdi\n"
        "    lea 24(%r12), %rsi\n"
        "    mov $0x40000000, %edx\n"
        "    lea 64(%r12), %r10\n"
        "    mov %r15, %r8\n"
        "    syscall\n"
        "    cmp $-4, %rax\n" /* EINTR */
        "    je .Lkeeper_wait\n"
        "    cmp %rax, %rbx\n"
        "    jne .Lkeeper_die\n"
        "    mov $61, %eax\n" /* wait4(-1, 0, __WALL | WNOHANG, 0) must be ECHILD */
        "    mov $-1, %rdi\n"
        "    xor %esi, %esi\n"
        "    mov $0x40000001, %edx\n"
        "    xor %r10d, %r10d\n"
        "    mov %r15, %r8\n"
        "    syscall\n"
        "    cmp $-10, %rax\n"
        "    jne .Lkeeper_die\n"
        "    movq $3, 8(%r12)\n"
        "    mov %rbx, 16(%r12)\n"
        "    jmp .Lkeeper_report\n"
        ".Lkeeper_no_clone:\n"
        "    movq $4, 8(%r12)\n"
        "    mov %rbx, 16(%r12)\n"
        "    jmp .Lkeeper_report\n"
        ".Lkeeper_die:\n"
        "    mov $231, %eax\n" /* exit_group(9) */
        "    mov $9, %edi\n"
        "    syscall\n"
        "    hlt\n"
        ".Lkeeper_child:\n"
        "    mov $436, %eax\n" /* close_range(0, ~0, 0) */
        "    xor %edi, %edi\n"
        "    mov $-1, %esi\n"
        "    xor %edx, %edx\n"
        "    mov %r15, %r8\n"
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jnz .Lkeeper_die\n"
        "    mov $157, %eax\n" /* prctl(PR_SET_PDEATHSIG, SIGKILL) */
        "    mov $1, %edi\n"
        "    mov $9, %esi\n"
        "    mov %r15, %r8\n"
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jnz .Lkeeper_die\n"
        "    mov $222, %eax\n" /* timer_create(CLOCK_PROCESS_CPUTIME_ID, event, number) */
        "    mov $2, %edi\n"
        "    lea 0x18000(%r12), %rsi\n"
        "    lea 512(%r12), %rdx\n"
        "    mov %r15, %r8\n"
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jnz .Lkeeper_die\n"
        "    mov $223, %eax\n" /* timer_settime(number, 0, cpu, 0) */
        "    mov 512(%r12), %edi\n"
        "    xor %esi, %esi\n"
        "    lea 0x18040(%r12), %rdx\n"
        "    xor %r10d, %r10d\n"
        "    mov %r15, %r8\n"
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jnz .Lkeeper_die\n"
        "    mov %r14, %rax\n"
        "    xor %r15d, %r15d\n"
        "    xor %r8d, %r8d\n"
        "    xor %r9d, %r9d\n"
        "    xor %r10d, %r10d\n"
        "    xor %r11d, %r11d\n"
        "    xor %r12d, %r12d\n"
        "    xor %r13d, %r13d\n"
        "    xor %r14d, %r14d\n"
        "    xor %ebx, %ebx\n"
        "    xor %ecx, %ecx\n"
        "    xor %edx, %edx\n"
        "    xor %esi, %esi\n"
        "    xor %edi, %edi\n"
        "    xor %ebp, %ebp\n"
        "    call *%rax\n"
        "    jmp .Lkeeper_die\n"
        ".size azr_exec__keeper, . - azr_exec__keeper\n");
#else
_Noreturn void azr_exec__keeper(void *window, void *stack_top, void (*child)(void))
{
    (void)window;
    (void)stack_top;
    (void)child;
    __builtin_trap(); /* the engine is not offered on this processor */
}
#endif
