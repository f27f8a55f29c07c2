/* Lets User-Mode Linux 6.1 run on processors whose register state is larger than it knows.
 *
 * It sets the floating-point registers of its processes with PTRACE_SETREGSET and a buffer that
 * ends after AVX-512. Where the machine has more (AMX: 11,008 octets instead of 2,696), Linux
 * refuses anything but the whole state, and the guest dies before its first process runs. So this
 * library, preloaded into linux.uml by scripts/lab, fills in what is missing with what the process
 * has now. Kernels that bring the whole state pass through untouched.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

static char whole[1 << 16] __attribute__((aligned(64)));

static long set_state(pid_t process, struct iovec *given)
{
    struct iovec now = { whole, sizeof whole };
    if (syscall(SYS_ptrace, PTRACE_GETREGSET, process, NT_X86_XSTATE, &now) < 0)
        return -1;
    if (given->iov_len >= now.iov_len)
        return syscall(SYS_ptrace, PTRACE_SETREGSET, process, NT_X86_XSTATE, given);
    memcpy(whole, given->iov_base, given->iov_len);
    return syscall(SYS_ptrace, PTRACE_SETREGSET, process, NT_X86_XSTATE, &now);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list rest;
    va_start(rest, request);
    pid_t process = va_arg(rest, pid_t);
    void *address = va_arg(rest, void *);
    void *data = va_arg(rest, void *);
    va_end(rest);

    if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE)
        return set_state(process, data);
    /* The system call stores the word that the C library's function returns. */
    long word = 0;
    int peeks = request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER;
    long result = syscall(SYS_ptrace, request, process, address, peeks ? &word : data);
    return peeks && result == 0 ? word : result;
}
